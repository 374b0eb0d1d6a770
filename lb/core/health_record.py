"""The private record that the registry keeps of each backend, and its transitions in the health machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .backend import Backend, State
from .events import Cleared, Emit, ProbeWanted, Suspected, Transition
from .exchange import Attempt
from .health import Cause, FlapDamper, Streak, move
from .outlier_detection import EjectionBackoff, Outcomes
from .settings import Settings


@dataclass(slots=True, eq=False)
class HealthRecord:
    """Probe results, request outcomes and pending suspicions of one backend."""

    backend: Backend
    settings: Settings
    emit: Emit
    changed: Callable[[float], None]
    """Called with the time when a suspicion begins or ends."""
    streak: Streak = field(default_factory=Streak)
    damper: FlapDamper = field(default_factory=FlapDamper)
    outcomes: Outcomes = field(default_factory=Outcomes)
    ejection_backoff: EjectionBackoff = field(default_factory=EjectionBackoff)
    doubted: bool = False
    """Whether traffic has requested a probe and no success has followed. If that probe fails, the backend is
    suspected."""
    firm: bool = False
    """Whether only a passed probe ends the suspicion, because the backend accepts no connections or its health check
    fails. Then responses on connections that still exist do not clear it."""
    passed_at: float = float("-inf")
    """When a probe last passed, in monotonic seconds."""
    _last_early_close: float = float("-inf")
    _history_reset_at: float = float("-inf")
    _last_requested: float = float("-inf")
    _pending_reason: str = ""
    """Reason of a requested probe that waits until `fast_interval` after the last requested one; empty if none."""

    def move(self, cause: Cause, reason: str, now: float) -> bool:
        """Apply the table and end suspicions. Return True if the state changed. In UNKNOWN the streak restarts."""
        old, new = self.backend.state, move(self.backend.state, cause)
        if new is old:
            return False
        if old is State.UP:
            self.damper.left_up(now - self.backend.since, self.settings.health)
        if cause is Cause.PROBES_FAIL and old is not State.UNKNOWN:
            self.damper.went_down(now, self.settings.health)
        if new is State.UNKNOWN:
            self.streak = Streak()
        self.backend.state, self.backend.since = new, now
        self.backend.suspected = self.backend.unreliable = self.doubted = self.firm = False
        self._pending_reason = ""
        self.emit(Transition(now, self.backend.id, old, new, reason))
        return True

    def reset_backoff(self) -> None:
        """Reset the counts of falls and ejections (Rule 4)."""
        self.damper, self.ejection_backoff = FlapDamper(), EjectionBackoff()

    def held_down(self, now: float) -> bool:
        """Return whether the backend must stay DOWN because it flaps, although its probes pass."""
        return self.backend.state is State.DOWN and now < self.damper.held_until

    def booting(self, now: float) -> bool:
        """Return whether the backend is in its start phase, in which failed probes are ignored."""
        return self.backend.state is State.UNKNOWN and now - self.backend.since < self.settings.health.start_phase

    @property
    def passed_since_transition(self) -> bool:
        """Whether a probe has passed since the backend entered its state, and none has failed after it."""
        return self.passed_at > self.backend.since and self.streak.failures == 0

    def suspect(self, reason: str, now: float, waited: float = 0.0, threshold: float = 0.0) -> None:
        """Avoid the UP backend until it responds or passes a probe, and request that probe.

        `waited` and `threshold` are the seconds of a stall, for the event.
        """
        if self.backend.suspected or self.backend.state is not State.UP:
            return
        self.backend.suspected = True
        self.emit(Suspected(now, self.backend.id, waited, threshold, reason, self.firm))
        self.doubt(reason, now)
        self.changed(now)

    def answered_unhealthy(self, reason: str, now: float) -> None:
        """Suspect the backend at once, because its response to a probe says that it is unhealthy."""
        self.doubted = self.firm = True
        self.suspect(reason, now)

    def closed_early(self, now: float) -> None:
        """Mark the backend as unreliable because it closed a connection soon after use, and suspect it the first time.

        It is suspected at most once in `failure_max_age`: a backend that closes every connection after one response
        would otherwise be out of rotation most of the time.
        """
        repeated, self._last_early_close = now - self._last_early_close < self.settings.passive.failure_max_age, now
        self.backend.unreliable = True
        reason = "closed a connection that had just been used"
        if repeated:
            self.doubt(reason, now)
        else:
            self.suspect(reason, now)

    def clear(self, reason: str, now: float) -> None:
        """End doubt and suspicion."""
        self.doubted = self.firm = False
        self._pending_reason = ""
        if not self.backend.suspected:
            return
        self.backend.suspected = False
        self.emit(Cleared(now, self.backend.id, reason))
        self.changed(now)

    def reset_history(self, now: float) -> bool:
        """Disregard all attempts that began before `now`. Return False if that happened less than `failure_max_age`
        ago.

        After a short fault, attempts from before its end keep failing although a probe has passed since. The limit is
        needed because a backend that passes every probe while its requests hang would otherwise never be ejected.
        """
        if now - self._history_reset_at < self.settings.passive.failure_max_age:
            return False
        self._history_reset_at = now
        return True

    def predates_reset(self, attempt: Attempt) -> bool:
        """Return whether the attempt began before the backend came UP or its history was reset. If so, it does not
        count."""
        return attempt.started < max(self.backend.since, self._history_reset_at)

    def doubt(self, reason: str, now: float) -> None:
        """Doubt the backend and request a probe. Do nothing if it is doubted already.

        The rate limit of `request_probe` matters here: a backend that passes its probes but fails requests would
        otherwise be probed once for each failed request.
        """
        if self.doubted:
            return
        self.doubted = True
        self.request_probe(reason, now)

    def request_probe(self, reason: str, now: float) -> None:
        """Request a probe without doubting the backend, at once or `fast_interval` after the last requested one."""
        self._pending_reason = reason
        self.emit_pending_probe(now)

    @property
    def probe_pending(self) -> bool:
        """Whether a requested probe is postponed."""
        return bool(self._pending_reason)

    def emit_pending_probe(self, now: float) -> None:
        """Emit the postponed `ProbeWanted` if it is due."""
        if self._pending_reason and now - self._last_requested >= self.settings.health.fast_interval:
            self.emit(ProbeWanted(now, self.backend.id, self._pending_reason))
            self._last_requested, self._pending_reason = now, ""
