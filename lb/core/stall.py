"""Detects stalls: attempts that have waited for the first byte of a response longer than the backend usually takes."""

from __future__ import annotations

from .backend import Backend
from .exchange import Attempt


class TickGapDetector:
    """Detects that the balancer itself did not run for a while, so that its sockets may contain unread responses."""

    def __init__(self, max_gap: float) -> None:
        self._max_gap = max_gap
        self._last_tick: float | None = None
        self._excused = False

    def use(self, max_gap: float) -> None:
        """Apply a new `Settings.passive.max_tick_gap` (seconds)."""
        self._max_gap = max_gap

    def late(self, now: float) -> bool:
        """Record a tick. Return True if it came more than `max_gap` after the last one, so that no wait counts as a
        stall.

        It is never True twice in a row, because otherwise nothing would ever stall or time out on a host that is always
        late.
        """
        late = self._last_tick is not None and now - self._last_tick > self._max_gap
        self._excused = late and not self._excused
        self._last_tick = now
        return self._excused


class StallWatch:
    """Longest unexplained wait of each backend, in O(1) because attempts are kept in the order of sending."""

    def __init__(self, max_gap: float) -> None:
        self._tick_gap = TickGapDetector(max_gap)
        self._watched: dict[Backend, dict[Attempt, float]] = {}
        self._awake_since = 0.0

    def use(self, max_gap: float) -> None:
        """Apply a new `Settings.passive.max_tick_gap` (seconds)."""
        self._tick_gap.use(max_gap)

    def sent(self, attempt: Attempt, now: float) -> None:
        """Watch the attempt from now on."""
        watched = self._watched.get(attempt.backend)
        if watched is None:
            watched = self._watched[attempt.backend] = {}
        watched.pop(attempt, None)  # an attempt that is sent again moves to the end
        watched[attempt] = now

    def ended(self, attempt: Attempt) -> None:
        """Stop watching an attempt that got its first byte or ended without one."""
        watched = self._watched.get(attempt.backend)
        if watched is not None and watched.pop(attempt, None) is not None and not watched:
            del self._watched[attempt.backend]

    def clear(self, backend: Backend) -> None:
        """Stop watching all attempts on the backend. It has shown that it works, so their waits have other reasons."""
        self._watched.pop(backend, None)

    def wait(self, backend: Backend, now: float) -> float:
        """Return the longest unexplained wait on the backend in seconds; 0 if there is none."""
        watched = self._watched.get(backend)
        if watched is None:
            return 0.0
        return now - max(next(iter(watched.values())), self._awake_since)

    def tick(self, now: float) -> list[tuple[Backend, float]]:
        """Return every backend with an unexplained wait, and the length of the wait in seconds.

        After a late tick all waits are counted from now, because the balancer and not the backends did not respond.
        """
        if self._tick_gap.late(now):
            self._awake_since = now
        return [(backend, self.wait(backend, now)) for backend in self._watched]
