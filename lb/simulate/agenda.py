"""The clock of a simulation: what happens when, in order."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

Action = Callable[[], None]


class Agenda:
    """Actions by time, seconds; those of one moment run in the order in which they were entered."""

    def __init__(self) -> None:
        self.now = 0.0
        self._entries: list[tuple[float, int, Action]] = []
        self._order = count()

    def at(self, when: float, action: Action) -> None:
        """Do this at `when`, which must not lie in the past."""
        heapq.heappush(self._entries, (when, next(self._order), action))

    def after(self, wait: float, action: Action) -> None:
        """Do this `wait` seconds from now."""
        self.at(self.now + wait, action)

    def run_until(self, end: float) -> None:
        """Let time pass up to and including `end`."""
        while self._entries and self._entries[0][0] <= end:
            self.now, _, action = heapq.heappop(self._entries)
            action()
        self.now = end
