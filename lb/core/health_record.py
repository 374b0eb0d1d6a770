"""What the registry keeps of each backend beside what everybody may see, and how it moves in the health machine."""

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
    """One backend's record: results of its probes, outcomes of its traffic, and what follows from them."""

    backend: Backend
    settings: Settings
    emit: Emit
    changed: Callable[[float], None]
    """Called with the time when suspicion begins or ends."""
    streak: Streak = field(default_factory=Streak)
    damper: FlapDamper = field(default_factory=FlapDamper)
    outcomes: Outcomes = field(default_factory=Outcomes)
    ejection_backoff: EjectionBackoff = field(default_factory=EjectionBackoff)
    doubted: bool = False
    """Traffic gave a reason to probe, and nothing has dispelled it: a failed probe is then the second witness."""
    firm: bool = False
    """Only a passed probe ends the suspicion. The backend accepts no connection, or its health check says no: answers
    to requests on connections that it still has do not prove the contrary."""
    passed_at: float = float("-inf")
    """When a probe last passed."""
    _last_early_close: float = float("-inf")
    _history_reset_at: float = float("-inf")
    _last_requested: float = float("-inf")
    _pending_reason: str = ""
    """The reason of a probe that is due as soon as the last one wanted is `fast_interval` ago."""

    def move(self, cause: Cause, reason: str, now: float) -> bool:
        """Apply the table; True if the backend stands elsewhere now. Its streak goes on, doubts end."""
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
        """How often it went_down and was ejected counts no more (Rule 4)."""
        self.damper, self.ejection_backoff = FlapDamper(), EjectionBackoff()

    def held_down(self, now: float) -> bool:
        """Whether a flapping backend has to stay DOWN although its probes pass."""
        return self.backend.state is State.DOWN and now < self.damper.held_until

    def booting(self, now: float) -> bool:
        """Whether the backend is so new that a failed probe says nothing about it yet."""
        return self.backend.state is State.UNKNOWN and now - self.backend.since < self.settings.health.start_phase

    @property
    def passed_since_transition(self) -> bool:
        """Whether a probe has passed since the backend entered its state, and none has failed after it."""
        return self.passed_at > self.backend.since and self.streak.failures == 0

    def suspect(self, waited: float, threshold: float, reason: str, now: float) -> None:
        """Avoid the UP backend until it answers or a probe passes, and ask for that probe."""
        if self.backend.suspected or self.backend.state is not State.UP:
            return
        self.backend.suspected = True
        self.emit(Suspected(now, self.backend.id, waited, threshold, reason, self.firm))
        self.doubt(reason, now)
        self.changed(now)

    def answered_unhealthy(self, reason: str, now: float) -> None:
        """A probe was answered, and the answer is no: believed at once, for the next probe follows soon enough."""
        self.doubted = self.firm = True
        self.suspect(0.0, 0.0, reason, now)

    def closed_early(self, now: float) -> None:
        """It closed a connection that had just been used: unreliable, and suspected unless that is a habit of the backend's.

        Suspicion is granted once in `failure_max_age`: one that closes after each answer would be out most of the time.
        """
        habit, self._last_early_close = now - self._last_early_close < self.settings.passive.failure_max_age, now
        self.backend.unreliable = True
        reason = "it closed a connection that had just been used"
        if habit:
            self.doubt(reason, now)
        else:
            self.suspect(0.0, 0.0, reason, now)

    def clear(self, reason: str, now: float) -> None:
        """Dispel doubt and suspicion."""
        self.doubted = self.firm = False
        self._pending_reason = ""
        if not self.backend.suspected:
            return
        self.backend.suspected = False
        self.emit(Cleared(now, self.backend.id, reason))
        self.changed(now)

    def reset_history(self, now: float) -> bool:
        """Hold nothing against the backend that began before now; True if that was granted.

        After a short fault, attempts from its time go on failing although a probe has passed since. Granted once in
        `failure_max_age` only, or a backend that passes every probe while its requests hang would never be ejected.
        """
        if now - self._history_reset_at < self.settings.passive.failure_max_age:
            return False
        self._history_reset_at = now
        return True

    def predates_reset(self, attempt: Attempt) -> bool:
        """Whether the attempt began before the backend last came UP or was pardoned: its failure is no news."""
        return attempt.started < max(self.backend.since, self._history_reset_at)

    def doubt(self, reason: str, now: float) -> None:
        """Doubt the backend and ask for a probe: at once, or when the last one asked for is `fast_interval` ago.

        Without the pause, a backend that passes its probes but fails requests would be probed once for each failure.
        """
        if self.doubted:
            return
        self.doubted = True
        self.request_probe(reason, now)

    def request_probe(self, reason: str, now: float) -> None:
        """Ask for a probe without a doubt of our own: a request was answered with an error, which may be its due."""
        self._pending_reason = reason
        self.emit_pending_probe(now)

    @property
    def probe_pending(self) -> bool:
        """Whether a probe that is wanted still waits for its turn."""
        return bool(self._pending_reason)

    def emit_pending_probe(self, now: float) -> None:
        """Emit the `ProbeWanted` that had to wait."""
        if self._pending_reason and now - self._last_requested >= self.settings.health.fast_interval:
            self.emit(ProbeWanted(now, self.backend.id, self._pending_reason))
            self._last_requested, self._pending_reason = now, ""
