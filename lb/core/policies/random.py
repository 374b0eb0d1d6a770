"""Random choice in proportion to the weights, without state."""

from __future__ import annotations

from bisect import bisect
from itertools import accumulate
from random import Random
from typing import Final

from ..backend import Backend
from ..exchange import Exchange
from .base import DRAWS, Candidates, Load, Policy

REFRESH: Final = 1.0
"""Seconds between two reads of the weights, which may ramp. With 10,000 backends, reading takes 0.1 % of a core."""


class RandomChoice(Policy):
    """Weighted random choice by bisection of the cumulative weights. O(log n)."""

    def __init__(self, load: Load) -> None:
        super().__init__(load)
        self._order: Candidates = ()
        self._sums: list[float] = []
        self._stale_at = 0.0

    def pick(self, candidates: Candidates, exchange: Exchange, rng: Random, now: float) -> Backend | None:
        """Return a random backend that takes the exchange, with a probability in proportion to its weight."""
        if candidates is not self._order or now >= self._stale_at:
            self._order, self._stale_at = candidates, now + REFRESH
            self._sums = list(accumulate(backend.effective_weight for backend in candidates))
        total = self._sums[-1] if self._sums else 0.0
        for _ in range(DRAWS if total > 0 else 0):
            backend = candidates[bisect(self._sums, rng.random() * total)]
            if self.takes(backend, exchange):
                return backend
        eligible = [backend for backend in candidates if backend.effective_weight > 0 and self.takes(backend, exchange)]
        return rng.choices(eligible, [backend.effective_weight for backend in eligible])[0] if eligible else None
