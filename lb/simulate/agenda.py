"""The clock of a simulation, and the actions that are due at each time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

Action = Callable[[], None]


class Agenda:
    """Actions by time in seconds. Actions for the same time run in the order in which they were entered."""

    def __init__(self) -> None:
        self.now = 0.0
        self._entries: list[tuple[float, int, Action]] = []
        self._order = count()

    def at(self, when: float, action: Action) -> None:
        """Run the action at `when`, which must not be in the past."""
        heapq.heappush(self._entries, (when, next(self._order), action))

    def after(self, wait: float, action: Action) -> None:
        """Run the action `wait` seconds from now."""
        self.at(self.now + wait, action)

    def run_until(self, end: float) -> None:
        """Advance the clock to `end` and run all actions that are due by then."""
        while self._entries and self._entries[0][0] <= end:
            self.now, _, action = heapq.heappop(self._entries)
            action()
        self.now = end
