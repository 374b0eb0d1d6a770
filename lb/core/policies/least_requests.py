"""Picks the backend with the fewest attempts in flight for its weight; among equals, the longest idle one."""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace
from itertools import count
from math import inf
from random import Random
from typing import Final

from ..backend import Backend
from ..exchange import Exchange
from .base import Candidates, Load, Policy, relative_load

SLACK: Final = 64
"""The heap is rebuilt, to drop outdated entries, if it has more entries than this plus four for each backend."""


class LeastRequests(Policy):
    """A heap of (load, order, backend) with lazy correction.

    A load that rose is noticed when its entry reaches the top; for one that fell, `released` pushes a new entry. Only
    the latest entry of a backend, the one with its current order, counts. O(log n), amortised.
    """

    def __init__(self, load: Load) -> None:
        super().__init__(load)
        self._members: Candidates = ()
        self._latest: dict[Backend, int] = {}
        self._heap: list[tuple[float, int, Backend]] = []
        self._orders = count()

    def pick(self, candidates: Candidates, exchange: Exchange, rng: Random, now: float) -> Backend | None:
        """Return the least loaded backend that takes the exchange."""
        if candidates is not self._members or len(self._heap) > 4 * len(candidates) + SLACK:
            self._rebuild(candidates)
        skipped = []
        picked = None
        while self._heap and picked is None:
            load, order, backend = self._heap[0]
            if self._latest[backend] != order:
                heappop(self._heap)
            elif relative_load(backend) > load:
                heapreplace(self._heap, self._entry(backend))
            elif load < inf and self.takes(backend, exchange):
                picked = backend
            else:
                skipped.append(heappop(self._heap))
        for entry in skipped:
            heappush(self._heap, entry)
        return picked

    def released(self, backend: Backend) -> None:
        """Push a new entry with the lower load."""
        if backend in self._latest:
            heappush(self._heap, self._entry(backend))

    def _entry(self, backend: Backend) -> tuple[float, int, Backend]:
        order = self._latest[backend] = next(self._orders)
        return relative_load(backend), order, backend

    def _rebuild(self, candidates: Candidates) -> None:
        """Build a new heap. Orders are kept, so that equal backends keep their turns when membership changes."""
        known = self._latest
        self._latest = {backend: known[backend] if backend in known else next(self._orders) for backend in candidates}
        self._heap = [(relative_load(backend), order, backend) for backend, order in self._latest.items()]
        heapify(self._heap)
        self._members = candidates
