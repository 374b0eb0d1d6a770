"""Smooth weighted round robin, with exact shares in every cycle. Picks of one backend are spread over the cycle.

nginx's algorithm raises the current weight of every peer at each pick, which is O(n). This one gives the same guarantee
in O(log n): backend *i* is due at the virtual times (k + phase_i) / weight_i for k = 0, 1, 2, …, and a pick takes the
backend that is due first. Within any unit of virtual time a backend of weight w is due exactly w times, for every
phase, so a cycle is exact. Times are computed from the count k and not by addition, so that no rounding errors
accumulate. Phases spread by the golden ratio keep equal backends from being due at the same moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from random import Random
from typing import Final

from ..backend import Backend
from ..exchange import Exchange
from .base import Candidates, Load, Policy

GOLDEN: Final = 0.6180339887498949


@dataclass(slots=True)
class _Turns:
    """The due times of one backend. `number` breaks ties and sets the phase."""

    backend: Backend
    number: int
    origin: float
    weight: float
    taken: int = 0

    @property
    def phase(self) -> float:
        return (self.number * GOLDEN + 0.5) % 1.0

    @property
    def due(self) -> float:
        return self.origin + (self.taken + self.phase) / self.weight

    def take(self, clock: float) -> None:
        """Count a pick. Restart after a change of weight, or if the backend is late by more than a turn (it was
        full)."""
        due, weight = self.due, self.backend.effective_weight
        self.taken += 1
        if weight != self.weight or clock - due > 1.0 / weight:
            self.origin, self.weight, self.taken = max(due, clock) - self.phase / weight, weight, 1


class Weighted(Policy):
    """Smooth weighted round robin. Weights may be fractions and may change at any time; weight 0 means no requests."""

    def __init__(self, load: Load) -> None:
        super().__init__(load)
        self._order: Candidates = ()
        self._turns: dict[Backend, _Turns] = {}
        self._heap: list[tuple[float, int, _Turns]] = []
        self._clock = 0.0
        self._joined = 0

    def pick(self, candidates: Candidates, exchange: Exchange, rng: Random, now: float) -> Backend | None:
        """Return the backend that is due first and takes the exchange. O(log n) unless backends are full."""
        if candidates is not self._order:
            self._set_candidates(candidates)
        heap, popped = self._heap, []
        picked: Backend | None = None
        while heap and picked is None:
            due, number, turns = heappop(heap)
            if turns.backend.effective_weight > 0 and self.takes(turns.backend, exchange):
                picked = turns.backend
                self._clock = max(self._clock, due)
                turns.take(self._clock)
                due = turns.due
            popped.append((due, number, turns))
        for entry in popped:
            heappush(heap, entry)
        return picked

    def _set_candidates(self, candidates: Candidates) -> None:
        """Adopt a new snapshot. Known backends keep their due times; a new one starts at the current virtual time."""
        self._turns = {backend: self._turns.get(backend) or self._join(backend) for backend in candidates}
        self._heap = [(turns.due, turns.number, turns) for turns in self._turns.values()]
        heapify(self._heap)
        self._order = candidates

    def _join(self, backend: Backend) -> _Turns:
        turns = _Turns(backend, self._joined, self._clock, backend.effective_weight or 1.0)
        self._joined += 1
        return turns
