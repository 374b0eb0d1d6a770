"""A clock that bytes wind up again, but only by as much as they are worth."""

from __future__ import annotations

from math import inf


class Pace:
    """Patience passes with time and is earned back by bytes, at a minimum rate (after Apache's `mod_reqtimeout`).

    It never exceeds what it began with, so that a quick start cannot be saved up for a slow end. A clock that every
    byte sets back to its start would let one byte per patience hold a connection, and a backend's slot, for ever.
    """

    __slots__ = ("_at", "_left", "_moved", "_patience", "_rate", "_running", "since")

    def __init__(self, patience: float, rate: float, now: float, moved: int = 0) -> None:
        """`patience` is seconds, `rate` bytes per second; with rate 0 any byte restores all of it. `moved` bytes are
        there at the start."""
        self.since = now
        """When it began."""
        self._patience = patience
        self._rate = rate
        self._left = patience
        self._at = now
        self._moved = moved
        self._running = True

    def until(self, moved: int, now: float, *, running: bool = True) -> float:
        """When patience ends, with `moved` bytes in total; never while it is not `running`, which is from now on."""
        if self._running:
            self._left -= now - self._at
        gained = moved - self._moved
        if gained > 0:
            self._left = min(self._patience, self._left + gained / self._rate) if self._rate else self._patience
        self._at, self._moved, self._running = now, moved, running
        return now + self._left if running else inf
