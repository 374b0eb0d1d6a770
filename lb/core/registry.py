"""The set of backends and what is known of each: who is usable, and why.

Facts come in (probe results, the life of every attempt, the passing of time) and change record; events go out.
The life of an attempt is `attempt_started`, perhaps `attempt_sent`, perhaps `attempt_answered`, then exactly one of
`attempt_completed`, `attempt_failed`, `attempt_cancelled`, which release it.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

from .backend import Backend, ProbeResult, State
from .candidates import Rotation
from .decisions import FleetSnapshot
from .ejection import Ejections
from .events import Added, Emit, Probed, Removed
from .exchange import Attempt, Failure
from .health import Cause, next_probe_in, verdict
from .health_record import HealthRecord
from .latency import add_lower_bound, add_sample, stall_threshold, suspicion_threshold
from .load_weights import LoadFeedback, LoadReport
from .settings import Settings
from .slow_start import ramp
from .stall import StallWatch

_OPERATOR_CAUSES: Final = {State.DRAIN: Cause.DRAIN, State.MAINT: Cause.MAINT, State.UP: Cause.RESUME}
_UNREACHABLE: Final = (Failure.REFUSED, Failure.CONNECT_TIMEOUT)


class Registry:
    """All backends in order of insertion. Synchronous; `now` is monotonic seconds and never goes back."""

    def __init__(self, settings: Settings, rng: Random, emit: Emit) -> None:
        self._settings = settings
        self._rng = rng
        self._emit = emit
        self._records: dict[Backend, HealthRecord] = {}
        self._members: dict[str, Backend] = {}
        self._leaving: dict[str, Backend] = {}
        self._rotation = Rotation(open_in_panic=settings.panic == "open", emit=emit)
        self._ejections = Ejections(settings.passive, self._rotation, self._move, decides_expiry=not settings.follower)
        self._watch = StallWatch(settings.passive.max_tick_gap)
        self._ramping: dict[HealthRecord, None] = {}
        self._probe_pending: dict[HealthRecord, None] = {}
        self._feedback = LoadFeedback(settings.admission.max_in_flight)

    @property
    def usable(self) -> tuple[Backend, ...]:
        """Whom a policy may pick: a snapshot that stays the same object until something changes."""
        return self._rotation.usable

    @property
    def snapshot(self) -> FleetSnapshot:
        """How all backends stand now, for the record of a decision."""
        return self._rotation.snapshot

    @property
    def version(self) -> int:
        """Counts the changes of `usable` and of weights, so that a policy knows when to rebuild its tables."""
        return self._rotation.version

    @property
    def panic(self) -> bool:
        """No backend is usable. Policy `open`: `usable` holds the DOWN and EJECTED ones; `closed`: it is empty."""
        return self._rotation.panic

    def use(self, settings: Settings, now: float) -> None:
        """Go by other settings from now on: record, streaks and sentences stay as they are."""
        self._settings = settings
        self._ejections.use(settings.passive)
        self._watch.use(settings.passive.max_tick_gap)
        self._feedback.use(settings.admission.max_in_flight)
        for record in self._records.values():
            record.settings = settings
            if not settings.load_feedback:
                self._feedback.forget(record.backend)
                record.backend.load_factor = 1.0
            self._weigh(record.backend, now)
        self._rotation.use(open_in_panic=settings.panic == "open", now=now)

    # --- membership ---
    def insert(self, backend_id: str, host: str, port: int, now: float, weight: float = 1.0) -> Backend:
        """Add a backend (UNKNOWN). The same id at the same address, while draining out, is taken back (UNKNOWN).

        The same id at another address drains the old one out and adds a new one; at the same address while it is a
        member, only the weight is updated.
        """
        known = self.get(backend_id)
        if known is not None and (known.host, known.port) == (host, port):
            if backend_id not in self._members:
                self._members[backend_id] = self._leaving.pop(backend_id)
                self._move(self._records[known], Cause.RESUME, "taken back while draining out", now)
            self.set_weight(backend_id, weight, now)
            return known
        if backend_id in self._members:
            self.remove(backend_id, now)
        backend = Backend(backend_id, host, port, weight, since=now)
        self._records[backend] = HealthRecord(backend, self._settings, self._emit, self._rotation.changed)
        self._members[backend_id] = backend
        self._emit(Added(now, backend_id, f"{host}:{port}"))
        self._rotation.add(backend, now)
        self._assume(backend, now)
        return backend

    def remove(self, backend_id: str, now: float) -> None:
        """Drain the backend; it leaves (`Removed`) when nothing is in flight on it. Unknown ids: KeyError."""
        backend = self._leaving[backend_id] = self._members.pop(backend_id)
        self._move(self._records[backend], Cause.REMOVE, "removed", now)
        self._leave_if_idle(backend, now)

    def set_state(self, backend_id: str, state: State, now: float) -> None:
        """Operator's word: DRAIN, MAINT, or UP (the past is forgotten; what is not UP, to be probed, UNKNOWN).

        KeyError, ValueError.
        """
        if state not in _OPERATOR_CAUSES:
            raise ValueError(f"an operator cannot set {state.value!r}: only 'up', 'drain' or 'maint'")
        record = self._records[self._members[backend_id]]
        if state is State.UP:
            self._ejections.discard_outcomes(record)
            record.reset_backoff()
        self._move(record, _OPERATOR_CAUSES[state], "operator", now)

    def set_weight(self, backend_id: str, weight: float, now: float) -> None:
        """Operator's word on the configured weight; 0 takes no new traffic. KeyError."""
        backend = self._members[backend_id]
        backend.weight = weight
        self._weigh(backend, now)

    @property
    def backends(self) -> Sequence[Backend]:
        """All known backends, in order of insertion; those draining out included."""
        return tuple(self._records)

    def get(self, backend_id: str) -> Backend | None:
        """The member of that id; one that drains out counts only while no other has its id."""
        return self._members.get(backend_id) or self._leaving.get(backend_id)

    def member(self, backend_id: str) -> Backend | None:
        """The member of that id, and never one that was removed: discovery and the operator have parted with it."""
        return self._members.get(backend_id)

    # --- probes ---
    def probed(
        self, backend: Backend, failure: str, took: float, now: float, name: str = "", unhealthy_response: bool = False
    ) -> float:
        """Record a finished probe and answer the seconds to wait before the next one.

        `failure` is empty for a pass; `unhealthy_response`: it failed by an answer, so the backend itself says so.
        """
        record = self._records.get(backend)
        if record is None:  # it left while the probe was under way
            return self._settings.health.interval
        backend.last_probe = ProbeResult(now, took, failure)
        backend.name = name or backend.name
        record.streak = record.streak.observe(not failure)
        self._emit(Probed(now, backend.id, not failure, took, failure))
        if failure:
            self._probe_failed(record, f"{failure} after {took * 1e3:.0f} ms", unhealthy_response, now)
        else:
            self._probe_passed(record, took, now)
        return next_probe_in(backend.state, now - backend.since, record.streak, self._settings.health, self._rng)

    def _probe_failed(self, record: HealthRecord, failure: str, unhealthy_response: bool, now: float) -> None:
        if record.booting(now):
            return
        if verdict(record.backend.state, record.streak, self._settings.health) is Cause.PROBES_FAIL:
            reason = f"{_counted(record.streak.failures, 'probe')} failed in a row: {failure}"
            self._move(record, Cause.PROBES_FAIL, reason, now)
        elif unhealthy_response:
            record.answered_unhealthy(f"its health check says no: {failure}", now)
        elif record.doubted:
            waited, threshold = self._watch.wait(record.backend, now), self.stall_threshold(record.backend)
            record.suspect(waited, threshold, f"a request and a probe failed: {failure}", now)

    def _probe_passed(self, record: HealthRecord, took: float, now: float) -> None:
        record.passed_at = now
        record.backend.unreliable = False
        if record.doubted and record.backend.state is State.UP:
            # Alive, so whoever waits there waits for a reason: without this sample it would be suspected again.
            add_lower_bound(record.backend, max(took, self._watch.wait(record.backend, now)))
            self._clear(record, "probe passed", now)
            if record.reset_history(now):
                self._ejections.discard_outcomes(record)
        passes = verdict(record.backend.state, record.streak, self._settings.health) is Cause.PROBES_PASS
        if passes and not record.held_down(now):
            self._move(record, Cause.PROBES_PASS, f"{_counted(record.streak.passes, 'probe')} passed in a row", now)

    def reported(self, backend: Backend, report: LoadReport, now: float) -> None:
        """The backend says how loaded it is. Without `load_feedback` that changes nothing."""
        if self._settings.load_feedback and backend in self._records:
            self._feedback.reported(backend, report, now)

    # --- attempts ---
    def attempt_started(self, attempt: Attempt, now: float) -> None:
        """Picked: counts as in flight on `attempt.backend`."""
        attempt.backend.in_flight += 1

    def attempt_sent(self, attempt: Attempt, now: float) -> None:
        """First request byte written: it is in `backend.waiting` now and can stall."""
        attempt.backend.waiting.pop(attempt, None)  # oldest first, whatever it was before
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
            add_sample(backend, now - sent)
        record = self._records[backend]
        if record.doubted and not record.firm:
            self._clear(record, "it answered", now)
        if not failed:
            backend.unreliable = False
        if backend.state is State.UP and not (failed and record.predates_reset(attempt)):
            self._ejections.count(record, now, failed=failed)
            if failed and backend.state is State.UP:
                record.request_probe(f"a request was answered {status}", now)
            if failed:
                self._track_pending_probe(record)

    def attempt_completed(self, attempt: Attempt, now: float) -> None:
        """Released after a complete response."""
        self._release(attempt, now)

    def attempt_failed(self, attempt: Attempt, failure: Failure, now: float) -> None:
        """Released after a failure, which counts against the backend and may eject it or want a probe."""
        record = self._records[attempt.backend]
        news = record.backend.state is State.UP and not record.predates_reset(attempt)
        if news and failure is not Failure.GATEWAY:
            record.backend.unreliable = True
            doubted_before = record.doubted
            self._doubt_after_failure(record, failure, now)
            self._ejections.count(record, now, failed=True, suspect_only=doubted_before)
            self._track_pending_probe(record)
        self._release(attempt, now)

    def closed_early(self, backend: Backend, now: float) -> None:
        """It has closed a connection that was idle for a moment only, which a backend in good health does not do."""
        record = self._records.get(backend)
        if record is not None and backend.state is State.UP:
            record.closed_early(now)
            self._track_pending_probe(record)

    def attempt_cancelled(self, attempt: Attempt, now: float) -> None:
        """Released through no fault of the backend: client gone, or the attempt's twin won."""
        sent = attempt.backend.waiting.get(attempt)
        if sent is not None:
            add_lower_bound(attempt.backend, now - sent)
        self._release(attempt, now)

    def stall_threshold(self, backend: Backend) -> float:
        """Seconds without a first byte after which an attempt on the backend counts as stalled (hedge then)."""
        return stall_threshold(backend, self._settings.passive)

    def _doubt_after_failure(self, record: HealthRecord, failure: Failure, now: float) -> None:
        reason = f"a request failed: {failure.value}"
        if failure in _UNREACHABLE:
            record.firm = True
            record.suspect(0.0, 0.0, reason, now)
        record.doubt(reason, now)

    def _release(self, attempt: Attempt, now: float) -> None:
        backend = attempt.backend
        backend.in_flight -= 1
        backend.waiting.pop(attempt, None)
        self._watch.ended(attempt)
        self._leave_if_idle(backend, now)

    # --- the word of another process, which has a share of the same traffic ---
    def suspect(self, backend_id: str, reason: str, firm: bool, now: float) -> None:
        """Requests stall on the backend there. KeyError."""
        record = self._records[self._members[backend_id]]
        record.firm |= firm
        record.suspect(0.0, 0.0, reason, now)

    def clear_suspicion(self, backend_id: str, reason: str, now: float) -> None:
        """It has answered there. KeyError."""
        self._clear(self._records[self._members[backend_id]], reason, now)

    def eject(self, backend_id: str, reason: str, now: float) -> None:
        """It was ejected there. KeyError."""
        self._ejections.mirror(self._records[self._members[backend_id]], reason, now)

    def may_eject(self) -> bool:
        """Whether the limits allow one more ejection."""
        return self._ejections.allowed()

    def reinstate(self, backend_id: str, reason: str, now: float) -> None:
        """Its ejection is over there, or was not to be. KeyError."""
        self._ejections.reinstate(self._records[self._members[backend_id]], reason, now)

    # --- time ---
    def tick(self, now: float) -> None:
        """Stalls, ends of ejections, ramps. To be called every `settings.tick` seconds."""
        self._rotation.admit_arrivals(now)
        for backend, waited in self._watch.tick(now):
            self._judge_wait(self._records[backend], waited, now)
        for record in list(self._probe_pending):
            record.emit_pending_probe(now)
            self._track_pending_probe(record)
        for record in list(self._ramping):
            self._weigh(record.backend, now)
        for backend in self._feedback.tick(now):
            self._weigh(backend, now)
        self._ejections.tick(self._records.values(), now)

    def _judge_wait(self, record: HealthRecord, waited: float, now: float) -> None:
        backend = record.backend
        if waited < self.stall_threshold(backend) or backend.suspected or backend.state is not State.UP:
            return
        threshold = suspicion_threshold(backend, self._settings.passive)
        reason = f"no first byte for {waited * 1e3:.0f} ms"
        if waited >= threshold:
            record.suspect(waited, threshold, reason, now)
        else:
            record.doubt(reason, now)
        self._track_pending_probe(record)

    # --- what follows from it ---
    def _move(self, record: HealthRecord, cause: Cause, reason: str, now: float) -> None:
        backend, old = record.backend, record.backend.state
        if not record.move(cause, reason, now):
            return
        self._rotation.moved(old, backend.state, now)
        self._watch.clear(backend)
        self._ejections.discard_outcomes(record)
        self._probe_pending.pop(record, None)
        self._weigh(backend, now)
        if backend.state is State.UNKNOWN:
            self._assume(backend, now)

    def _assume(self, backend: Backend, now: float) -> None:
        if self._settings.health.assume_up:
            self._move(self._records[backend], Cause.ASSUMED, "assumed up", now)

    def _clear(self, record: HealthRecord, reason: str, now: float) -> None:
        self._watch.clear(record.backend)
        record.clear(reason, now)
        self._probe_pending.pop(record, None)

    def _track_pending_probe(self, record: HealthRecord) -> None:
        if record.probe_pending:
            self._probe_pending[record] = None
        else:
            self._probe_pending.pop(record, None)

    def _weigh(self, backend: Backend, now: float) -> None:
        record = self._records[backend]
        share = ramp(now - backend.since, self._settings.slow_start) if backend.state is State.UP else 1.0
        if share < 1.0:
            self._ramping[record] = None
        else:
            self._ramping.pop(record, None)
        weight = backend.weight * share * backend.load_factor
        if weight != backend.effective_weight:
            backend.effective_weight = weight
            self._rotation.changed(now)

    def _leave_if_idle(self, backend: Backend, now: float) -> None:
        if backend.in_flight or self._members.get(backend.id) is backend:
            return
        self._emit(Removed(now, backend.id))
        del self._records[backend]
        self._rotation.drop(backend, now)
        self._feedback.forget(backend)
        if self._leaving.get(backend.id) is backend:
            del self._leaving[backend.id]


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
