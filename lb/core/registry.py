"""The set of backends, the health record of each, and which of them are usable.

Probe results, reports of attempts and the passing of time change the health records and cause events. Each attempt is
reported as `attempt_started`, then optionally `attempt_sent` and `attempt_answered`, then exactly one of
`attempt_completed`, `attempt_failed` and `attempt_cancelled`, which releases its slot.
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
from .health import Cause, cause_of, next_probe_in
from .health_record import HealthRecord
from .latency import add_lower_bound, add_sample, stall_threshold, suspicion_threshold
from .load_weights import LoadFeedback, LoadReport
from .settings import Settings
from .slow_start import ramp
from .stall import StallWatch

_OPERATOR_CAUSES: Final = {State.DRAIN: Cause.DRAIN, State.MAINT: Cause.MAINT, State.UP: Cause.RESUME}
_UNREACHABLE: Final = (Failure.REFUSED, Failure.CONNECT_TIMEOUT)


class Registry:
    """All backends in order of insertion. Synchronous; `now` is monotonic seconds and never decreases."""

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
        """Backends that a policy may pick: the same tuple object until something changes."""
        return self._rotation.usable

    @property
    def snapshot(self) -> FleetSnapshot:
        """Current states of all backends, for the decision log."""
        return self._rotation.snapshot

    @property
    def panic(self) -> bool:
        """Whether no backend is UP. Then `usable` has the DOWN and EJECTED ones (panic mode `open`) or none."""
        return self._rotation.panic

    def use(self, settings: Settings, now: float) -> None:
        """Apply new settings. States, streaks and current ejections stay as they are."""
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
        """Add a backend in state UNKNOWN and return it.

        If a member has the same id and address, only its weight is updated. If a backend with the same id and address
        is still draining, it is restored as UNKNOWN. If a member has the same id at another address, it is removed
        first.
        """
        known = self.get(backend_id)
        if known is not None and (known.host, known.port) == (host, port):
            if backend_id not in self._members:
                self._members[backend_id] = self._leaving.pop(backend_id)
                self._move(self._records[known], Cause.RESUME, "added again while draining", now)
            self.set_weight(backend_id, weight, now)
            return known
        if backend_id in self._members:
            self.remove(backend_id, now)
        backend = Backend(backend_id, host, port, weight, since=now)
        self._records[backend] = HealthRecord(backend, self._settings, self._emit, self._rotation.changed)
        self._members[backend_id] = backend
        self._emit(Added(now, backend_id, f"{host}:{port}"))
        self._rotation.add(backend, now)
        self._assume_up(backend, now)
        return backend

    def remove(self, backend_id: str, now: float) -> None:
        """Drain the backend. It leaves (`Removed`) when nothing is in flight on it. Raise KeyError if unknown."""
        backend = self._leaving[backend_id] = self._members.pop(backend_id)
        self._move(self._records[backend], Cause.REMOVE, "removed", now)
        self._leave_if_idle(backend, now)

    def set_state(self, backend_id: str, state: State, now: float) -> None:
        """Apply an operator's decision: DRAIN, MAINT, or UP (discard the history; a backend that is not UP becomes
        UNKNOWN).

        Raise KeyError for an unknown id and ValueError for another state.
        """
        if state not in _OPERATOR_CAUSES:
            raise ValueError(f"an operator cannot set {state.value!r}: only 'up', 'drain' or 'maint'")
        record = self._records[self._members[backend_id]]
        if state is State.UP:
            self._ejections.discard_outcomes(record)
            record.reset_backoff()
        self._move(record, _OPERATOR_CAUSES[state], "operator", now)

    def set_weight(self, backend_id: str, weight: float, now: float) -> None:
        """Set the configured weight; a backend with weight 0 gets no new requests. Raise KeyError for an unknown id."""
        backend = self._members[backend_id]
        backend.weight = weight
        self._weigh(backend, now)

    @property
    def backends(self) -> Sequence[Backend]:
        """All known backends in order of insertion, including removed ones that are still draining."""
        return tuple(self._records)

    def get(self, backend_id: str) -> Backend | None:
        """Return the member with that id, else a removed backend with that id that is still draining, else None."""
        return self._members.get(backend_id) or self._leaving.get(backend_id)

    def member(self, backend_id: str) -> Backend | None:
        """Return the member with that id; None if it is unknown or was removed."""
        return self._members.get(backend_id)

    # --- probes ---
    def probed(
        self, backend: Backend, failure: str, took: float, now: float, name: str = "", unhealthy_response: bool = False
    ) -> float:
        """Record a finished probe and return the seconds to wait before the next one.

        `failure` is empty if the probe passed. `unhealthy_response`: the backend responded, and the response was a
        failure.
        """
        record = self._records.get(backend)
        if record is None:  # it was removed during the probe
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
        if cause_of(record.backend.state, record.streak, self._settings.health) is Cause.PROBES_FAIL:
            reason = f"{_probes(record.streak.failures, 'failed')}: {failure}"
            self._move(record, Cause.PROBES_FAIL, reason, now)
        elif unhealthy_response:
            record.answered_unhealthy(f"health check failed: {failure}", now)
        elif record.doubted:
            waited, threshold = self._watch.wait(record.backend, now), self.stall_threshold(record.backend)
            record.suspect(f"a request and a probe failed: {failure}", now, waited, threshold)

    def _probe_passed(self, record: HealthRecord, took: float, now: float) -> None:
        record.passed_at = now
        record.backend.unreliable = False
        if record.doubted and record.backend.state is State.UP:
            # The backend works, so its pending requests are only slow. Without this sample it would be suspected again.
            add_lower_bound(record.backend, max(took, self._watch.wait(record.backend, now)))
            self._clear(record, "probe passed", now)
            if record.reset_history(now):
                self._ejections.discard_outcomes(record)
        passes = cause_of(record.backend.state, record.streak, self._settings.health) is Cause.PROBES_PASS
        if passes and not record.held_down(now):
            self._move(record, Cause.PROBES_PASS, _probes(record.streak.passes, "passed"), now)

    def reported(self, backend: Backend, report: LoadReport, now: float) -> None:
        """Record the load that the backend reports. Has no effect without `load_feedback`."""
        if self._settings.load_feedback and backend in self._records:
            self._feedback.reported(backend, report, now)

    # --- attempts ---
    def attempt_started(self, attempt: Attempt) -> None:
        """Count the attempt as in flight on its backend."""
        attempt.backend.in_flight += 1

    def attempt_sent(self, attempt: Attempt, now: float) -> None:
        """Record that the request was written: the attempt is now in `backend.waiting` and can stall."""
        attempt.backend.waiting.pop(attempt, None)  # keep the order: an attempt that is sent again moves to the end
        attempt.backend.waiting[attempt] = now
        self._watch.sent(attempt, now)

    def attempt_answered(self, attempt: Attempt, status: int, now: float) -> None:
        """Record a response head: a latency sample, an outcome for outlier detection, and the end of a suspicion.

        A 5xx counts as a failure here, so a later `attempt_failed(…, GATEWAY)` does not count it again. It does not
        count as a latency sample, because a backend that fails fast must not seem fast.
        """
        backend, failed = attempt.backend, status >= 500
        sent = backend.waiting.pop(attempt, None)
        self._watch.ended(attempt)
        if sent is not None and not failed:
            add_sample(backend, now - sent)
        record = self._records[backend]
        if record.doubted and not record.firm:
            self._clear(record, "responded to a request", now)
        if not failed:
            backend.unreliable = False
        if backend.state is State.UP and not (failed and record.predates_reset(attempt)):
            self._ejections.count(record, now, failed=failed)
            if failed and backend.state is State.UP:
                record.request_probe(f"a response had status {status}", now)
            if failed:
                self._track_pending_probe(record)

    def attempt_completed(self, attempt: Attempt, now: float) -> None:
        """Release the attempt after a complete response."""
        self._release(attempt, now)

    def attempt_failed(self, attempt: Attempt, failure: Failure, now: float) -> None:
        """Release the attempt and count its failure, which may eject the backend or request a probe."""
        record = self._records[attempt.backend]
        counts = record.backend.state is State.UP and not record.predates_reset(attempt)
        if counts and failure is not Failure.GATEWAY:
            record.backend.unreliable = True
            doubted_before = record.doubted
            self._doubt_after_failure(record, failure, now)
            self._ejections.count(record, now, failed=True, suspect_only=doubted_before)
            self._track_pending_probe(record)
        self._release(attempt, now)

    def closed_early(self, backend: Backend, now: float) -> None:
        """Record that the backend closed a connection soon after use, which a healthy backend does not do."""
        record = self._records.get(backend)
        if record is not None and backend.state is State.UP:
            record.closed_early(now)
            self._track_pending_probe(record)

    def attempt_cancelled(self, attempt: Attempt, now: float) -> None:
        """Release an attempt because the client left or the other attempt won."""
        sent = attempt.backend.waiting.get(attempt)
        if sent is not None:
            add_lower_bound(attempt.backend, now - sent)
        self._release(attempt, now)

    def stall_threshold(self, backend: Backend) -> float:
        """Return the seconds without a first byte after which an attempt on the backend counts as stalled."""
        return stall_threshold(backend, self._settings.passive)

    def _doubt_after_failure(self, record: HealthRecord, failure: Failure, now: float) -> None:
        reason = f"a request failed: {failure.value}"
        if failure in _UNREACHABLE:
            record.firm = True
            record.suspect(reason, now)
        record.doubt(reason, now)

    def _release(self, attempt: Attempt, now: float) -> None:
        backend = attempt.backend
        backend.in_flight -= 1
        backend.waiting.pop(attempt, None)
        self._watch.ended(attempt)
        self._leave_if_idle(backend, now)

    # --- reports of other processes that share the traffic; all raise KeyError for an unknown id ---
    def suspect(self, backend_id: str, reason: str, firm: bool, now: float) -> None:
        """Suspect the backend because requests stall on it in another process."""
        record = self._records[self._members[backend_id]]
        record.firm |= firm
        record.suspect(reason, now)

    def clear_suspicion(self, backend_id: str, reason: str, now: float) -> None:
        """End the suspicion because the backend responded in another process."""
        self._clear(self._records[self._members[backend_id]], reason, now)

    def eject(self, backend_id: str, reason: str, now: float) -> None:
        """Eject the backend because another process has ejected it."""
        self._ejections.mirror(self._records[self._members[backend_id]], reason, now)

    def may_eject(self) -> bool:
        """Return whether the limits allow one more ejection."""
        return self._ejections.allowed()

    def reinstate(self, backend_id: str, reason: str, now: float) -> None:
        """End the ejection because another process has ended or rejected it."""
        self._ejections.reinstate(self._records[self._members[backend_id]], reason, now)

    # --- time ---
    def tick(self, now: float) -> None:
        """Handle stalls, ends of ejections and weight ramps. Call every `settings.tick` seconds."""
        self._rotation.admit_arrivals(now)
        for backend, waited in self._watch.tick(now):
            self._check_wait(self._records[backend], waited, now)
        for record in list(self._probe_pending):
            record.emit_pending_probe(now)
            self._track_pending_probe(record)
        for record in list(self._ramping):
            self._weigh(record.backend, now)
        for backend in self._feedback.tick(now):
            self._weigh(backend, now)
        self._ejections.tick(self._records.values(), now)

    def _check_wait(self, record: HealthRecord, waited: float, now: float) -> None:
        backend = record.backend
        if waited < self.stall_threshold(backend) or backend.suspected or backend.state is not State.UP:
            return
        threshold = suspicion_threshold(backend, self._settings.passive)
        reason = f"no first byte for {waited * 1e3:.0f} ms"
        if waited >= threshold:
            record.suspect(reason, now, waited, threshold)
        else:
            record.doubt(reason, now)
        self._track_pending_probe(record)

    # --- consequences ---
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
            self._assume_up(backend, now)

    def _assume_up(self, backend: Backend, now: float) -> None:
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


def _probes(count: int, result: str) -> str:
    return f"1 probe {result}" if count == 1 else f"{count} probes {result} in a row"
