"""The set of backends and what is known of each: who is usable, and why.

Facts come in (probe results, the life of every attempt, the passing of time) and change standing; events go out.
The life of an attempt is `attempt_started`, perhaps `attempt_sent`, perhaps `attempt_answered`, then exactly one of
`attempt_completed`, `attempt_failed`, `attempt_cancelled`, which release it.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from lb.core.backend import Backend, ProbeResult, State
from lb.core.events import Added, Emit, PanicChanged, Probed, Removed
from lb.core.exchange import Attempt, Failure
from lb.core.health import Cause, next_probe_in, verdict
from lb.core.latency import learn, learn_at_least, stall_threshold, unexplained_after
from lb.core.passive import Jury, may_eject, slow_outliers
from lb.core.settings import Settings
from lb.core.slow_start import ramp
from lb.core.stall import StallWatch
from lb.core.standing import Standing

_OPERATOR_CAUSES = {State.DRAIN: Cause.DRAIN, State.MAINT: Cause.MAINT, State.UP: Cause.RESUME}
_UNREACHABLE = (Failure.REFUSED, Failure.CONNECT_TIMEOUT)
_LAST_RESORT = (State.DOWN, State.EJECTED)
_OUTLIER_CHECK_EVERY = 1.0


class Registry:
    """All backends in order of insertion. Synchronous; `now` is monotonic seconds and never goes back."""

    usable: tuple[Backend, ...]
    """Whom a policy may pick: a snapshot that stays the same object until something changes."""
    version: int
    """Counts the changes of `usable` and of weights, so that a policy knows when to rebuild its tables."""
    panic: bool
    """No backend is usable. Policy `open`: `usable` holds the DOWN and EJECTED ones; `closed`: it is empty."""

    def __init__(self, settings: Settings, rng: Random, emit: Emit) -> None:
        self.usable, self.version, self.panic = (), 0, False
        self._settings = settings
        self._rng = rng
        self._emit = emit
        self._standings: dict[Backend, Standing] = {}
        self._members: dict[str, Backend] = {}
        self._watch = StallWatch(settings.passive.max_tick_gap)
        self._jury = Jury(settings.passive)
        self._ejected: dict[Standing, None] = {}
        self._ramping: dict[Standing, None] = {}
        self._asking: dict[Standing, None] = {}
        self._outliers_checked = 0.0
        self._dirty = False

    # --- membership ---
    def insert(self, backend_id: str, host: str, port: int, now: float, weight: float = 1.0) -> Backend:
        """Add a backend (UNKNOWN). The same id at the same address, while draining out, is taken back (UNKNOWN).

        The same id at another address drains the old one out and adds a new one; at the same address while it is a
        member, only the weight is updated.
        """
        known = self.get(backend_id)
        if known is not None and (known.host, known.port) == (host, port):
            if backend_id not in self._members:
                self._members[backend_id] = known
                self._move(self._standings[known], Cause.RESUME, "taken back while draining out", now)
            self.set_weight(backend_id, weight, now)
            return known
        if backend_id in self._members:
            self.remove(backend_id, now)
        backend = Backend(backend_id, host, port, weight, since=now)
        self._standings[backend] = Standing(backend, self._settings, self._emit)
        self._members[backend_id] = backend
        self._emit(Added(now, backend_id, f"{host}:{port}"))
        self._dirty = True
        self._settle(now)
        return backend

    def remove(self, backend_id: str, now: float) -> None:
        """Drain the backend; it leaves (`Removed`) when nothing is in flight on it. Unknown ids: KeyError."""
        backend = self._members.pop(backend_id)
        self._move(self._standings[backend], Cause.REMOVE, "removed", now)
        self._leave_if_idle(backend, now)
        self._settle(now)

    def set_state(self, backend_id: str, state: State, now: float) -> None:
        """Operator's word: DRAIN, MAINT, or UP (back to UNKNOWN, to be probed). KeyError, ValueError."""
        if state not in _OPERATOR_CAUSES:
            raise ValueError(f"an operator cannot set {state.value!r}: only 'up', 'drain' or 'maint'")
        self._move(self._standings[self._members[backend_id]], _OPERATOR_CAUSES[state], "operator", now)
        self._settle(now)

    def set_weight(self, backend_id: str, weight: float, now: float) -> None:
        """Operator's word on the configured weight; 0 takes no new traffic from weighted policies. KeyError."""
        backend = self._members[backend_id]
        backend.weight = weight
        self._weigh(backend, now)
        self._settle(now)

    @property
    def backends(self) -> Sequence[Backend]:
        """All known backends, in order of insertion; those draining out included."""
        return tuple(self._standings)

    def get(self, backend_id: str) -> Backend | None:
        """The member of that id; one that drains out counts only while no other has its id."""
        member = self._members.get(backend_id)
        if member is not None:
            return member
        return next((backend for backend in self._standings if backend.id == backend_id), None)

    # --- probes ---
    def probed(self, backend: Backend, failure: str, took: float, now: float, name: str = "") -> float:
        """Record a finished probe (`failure` empty = passed) and answer the seconds to wait before the next one."""
        standing = self._standings.get(backend)
        if standing is None:  # it left while the probe was under way
            return self._settings.health.interval
        backend.last_probe = ProbeResult(now, took, failure)
        backend.name = name or backend.name
        standing.streak = standing.streak.observe(not failure)
        self._emit(Probed(now, backend.id, not failure, took, failure))
        if failure:
            self._probe_failed(standing, f"{failure} after {took * 1e3:.0f} ms", now)
        else:
            self._probe_passed(standing, took, now)
        self._settle(now)
        return next_probe_in(backend.state, standing.streak, self._settings.health, self._rng)

    def _probe_failed(self, standing: Standing, failure: str, now: float) -> None:
        if verdict(standing.backend.state, standing.streak, self._settings.health) is Cause.PROBES_FAIL:
            reason = f"{_counted(standing.streak.failures, 'probe')} failed in a row: {failure}"
            self._move(standing, Cause.PROBES_FAIL, reason, now)
        elif standing.doubted:
            waited, threshold = self._watch.wait(standing.backend, now), self.stall_threshold(standing.backend)
            self._dirty |= standing.suspect(waited, threshold, f"a request and a probe failed: {failure}", now)

    def _probe_passed(self, standing: Standing, took: float, now: float) -> None:
        standing.passed_at = now
        if standing.doubted and standing.backend.state is State.UP:
            # Alive, so whoever waits there waits for a reason: without this sample it would be suspected again.
            learn_at_least(standing.backend, max(took, self._watch.wait(standing.backend, now)))
            self._clear(standing, "probe passed", now)
            if standing.pardon(now):
                self._jury.forget(standing.outcomes)
        passes = verdict(standing.backend.state, standing.streak, self._settings.health) is Cause.PROBES_PASS
        if passes and not standing.held(now):
            self._move(standing, Cause.PROBES_PASS, f"{_counted(standing.streak.passes, 'probe')} passed in a row", now)

    # --- attempts ---
    def attempt_started(self, attempt: Attempt, now: float) -> None:
        """Picked: counts as in flight on `attempt.backend`."""
        attempt.backend.in_flight += 1

    def attempt_sent(self, attempt: Attempt, now: float) -> None:
        """First request byte written: it is in `backend.waiting` now and can stall."""
        attempt.backend.waiting[attempt] = now
        self._watch.sent(attempt, now)

    def attempt_answered(self, attempt: Attempt, status: int, now: float) -> None:
        """Response head complete: a latency sample, an end of suspicion, and a passive verdict on `status`.

        The verdict on a 5xx is counted here, so `attempt_failed(…, GATEWAY)` after it does not count again. Nor is a
        5xx a latency sample: failing fast must not look like being fast.
        """
        backend, failed = attempt.backend, status >= 500
        sent = backend.waiting.pop(attempt, None)
        self._watch.ended(attempt)
        if sent is not None and not failed:
            learn(backend, now - sent)
        standing = self._standings[backend]
        if standing.doubted and not standing.unreachable:
            self._clear(standing, "it answered", now)
        if backend.state is State.UP and not (failed and standing.outlived(attempt)):
            self._count(standing, now, failed=failed)
        self._settle(now)

    def attempt_completed(self, attempt: Attempt, now: float) -> None:
        """Released after a complete response."""
        self._release(attempt, now)

    def attempt_failed(self, attempt: Attempt, failure: Failure, now: float) -> None:
        """Released after a failure, which counts against the backend and may eject it or want a probe."""
        standing = self._standings[attempt.backend]
        news = standing.backend.state is State.UP and not standing.outlived(attempt)
        if news and failure is not Failure.GATEWAY:
            doubted_before = standing.doubted
            self._doubt(standing, failure, now)
            self._count(standing, now, failed=True, suspect_only=doubted_before)
        self._release(attempt, now)

    def attempt_cancelled(self, attempt: Attempt, now: float) -> None:
        """Released through no fault of the backend: client gone, or the attempt's twin won."""
        sent = attempt.backend.waiting.get(attempt)
        if sent is not None:
            learn_at_least(attempt.backend, now - sent)
        self._release(attempt, now)

    def stall_threshold(self, backend: Backend) -> float:
        """Seconds without a first byte after which an attempt on the backend counts as stalled (hedge then)."""
        return stall_threshold(backend, self._settings.passive)

    def _doubt(self, standing: Standing, failure: Failure, now: float) -> None:
        reason = f"a request failed: {failure.value}"
        if failure in _UNREACHABLE:
            self._dirty |= standing.suspect(0.0, 0.0, reason, now)
            standing.unreachable = True
        standing.want_probe(reason, now)
        self._note_asking(standing)

    def _count(self, standing: Standing, now: float, *, failed: bool, suspect_only: bool = False) -> None:
        """Count an outcome, and eject for it if the jury says so.

        `suspect_only` while no probe has contradicted earlier failures yet: the backend may simply be dead, which is
        for probes to say. Otherwise a crash under load would end in an ejection, and readmission would wait for it.
        """
        reason = self._jury.record(standing.outcomes, failed, now)
        if reason and suspect_only:
            self._dirty |= standing.suspect(0.0, 0.0, reason, now)
        elif reason:
            self._eject(standing, reason, now)

    def _release(self, attempt: Attempt, now: float) -> None:
        backend = attempt.backend
        backend.in_flight -= 1
        backend.waiting.pop(attempt, None)
        self._watch.ended(attempt)
        self._leave_if_idle(backend, now)
        self._settle(now)

    # --- time ---
    def tick(self, now: float) -> None:
        """Stalls, ends of ejections, ramps. To be called every `settings.tick` seconds."""
        for backend, waited in self._watch.tick(now):
            self._judge_wait(self._standings[backend], waited, now)
        for standing in list(self._asking):
            standing.ask_if_due(now)
            self._note_asking(standing)
        for standing in list(self._ejected):
            self._end_ejection(standing, now)
        for standing in list(self._ramping):
            self._weigh(standing.backend, now)
        if now - self._outliers_checked >= _OUTLIER_CHECK_EVERY:
            self._outliers_checked = now
            self._eject_outliers(now)
        self._settle(now)

    def _judge_wait(self, standing: Standing, waited: float, now: float) -> None:
        backend = standing.backend
        if backend.state is not State.UP or backend.suspected:
            return
        threshold = unexplained_after(backend, self._settings.passive)
        reason = f"no first byte for {waited * 1e3:.0f} ms"
        if waited >= threshold:
            self._dirty |= standing.suspect(waited, threshold, reason, now)
        elif waited >= self._settings.passive.stall_ceiling:
            standing.want_probe(reason, now)
        self._note_asking(standing)

    def _end_ejection(self, standing: Standing, now: float) -> None:
        passed_since = standing.passed_at > standing.backend.since and standing.streak.failures == 0
        if now >= standing.sentence.until and passed_since:
            self._move(standing, Cause.EJECTION_OVER, "ejection over, probes pass", now)

    # --- what follows from it ---
    def _move(self, standing: Standing, cause: Cause, reason: str, now: float) -> None:
        if not standing.move(cause, reason, now):
            return
        backend = standing.backend
        self._watch.explain(backend)
        self._jury.forget(standing.outcomes)
        self._asking.pop(standing, None)
        self._ejected.pop(standing, None)
        if backend.state is State.EJECTED:
            self._ejected[standing] = None
        self._weigh(backend, now)
        self._dirty = True

    def _eject(self, standing: Standing, reason: str, now: float) -> None:
        states = [backend.state for backend in self._members.values()]
        members = sum(state not in (State.DRAIN, State.MAINT) for state in states)
        if not may_eject(len(self._ejected), states.count(State.UP), members, self._settings.passive):
            return
        length = standing.sentence.eject(now, self._settings.passive)
        self._move(standing, Cause.TRAFFIC_FAILS, f"{reason}; ejected for {length:.1f} s", now)
        standing.want_probe(reason, now)
        self._note_asking(standing)

    def _eject_outliers(self, now: float) -> None:
        up = [backend for backend in self._standings if backend.state is State.UP]
        for backend, reason in slow_outliers(up, self._settings.passive):
            self._eject(self._standings[backend], reason, now)

    def _clear(self, standing: Standing, reason: str, now: float) -> None:
        self._watch.explain(standing.backend)
        self._dirty |= standing.clear(reason, now)
        self._asking.pop(standing, None)

    def _note_asking(self, standing: Standing) -> None:
        if standing.asking:
            self._asking[standing] = None
        else:
            self._asking.pop(standing, None)

    def _weigh(self, backend: Backend, now: float) -> None:
        standing = self._standings[backend]
        share = ramp(now - backend.since, self._settings.slow_start) if backend.state is State.UP else 1.0
        if share < 1.0:
            self._ramping[standing] = None
        else:
            self._ramping.pop(standing, None)
        weight = backend.weight * share * backend.load_factor
        self._dirty |= weight != backend.effective_weight
        backend.effective_weight = weight

    def _leave_if_idle(self, backend: Backend, now: float) -> None:
        if backend.in_flight == 0 and self._members.get(backend.id) is not backend and backend in self._standings:
            self._emit(Removed(now, backend.id))
            del self._standings[backend]
            self._dirty = True

    def _settle(self, now: float) -> None:
        """Take a new snapshot if anything changed."""
        if not self._dirty:
            return
        self._dirty = False
        self.version += 1
        up = tuple(backend for backend in self._standings if backend.state is State.UP)
        last_resort = tuple(backend for backend in self._standings if backend.state in _LAST_RESORT)
        self.usable = tuple(backend for backend in up if not backend.suspected) or up
        panic = not up and bool(last_resort)
        if panic and self._settings.panic == "open":
            self.usable = last_resort
        if panic != self.panic:
            self.panic = panic
            self._emit(PanicChanged(now, "", panic))


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
