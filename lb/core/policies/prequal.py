"""Prequal's hot/cold rule: avoid backends with many requests in flight, and pick the fastest of the others.

After Wydrowski et al., "Load is not what you should balance: Introducing Prequal" (NSDI 2024). In the paper, clients
that do not know of each other's load send asynchronous probes to the servers and keep a pool of the replies. This
balancer sees every request to its backends, so each pick draws a sample of them and reads the balancer's own counters.
These are never stale, so the paper's rules for ageing, reuse and removal of replies are not needed.

Two other differences: latency is the smoothed time to first byte and not the median at the current number of requests
in flight, and load from other balancers is visible only in the latency.
"""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Final

from ..backend import Backend
from ..exchange import Exchange
from .base import Candidates, Load, Policy, relative_load

SAMPLE: Final = 3
"""Backends sampled for each pick: the paper's probe rate."""
HOT_QUANTILE: Final = 0.84
"""The paper's Q_RIF: a backend is hot if its load exceeds this quantile of the recent loads."""
REMEMBERED: Final = 128
RECOMPUTE: Final = 16
"""The quantile of the last `REMEMBERED` loads is computed once in this many picks: sorting 128 costs 5 µs."""


class Prequal(Policy):
    """Prequal's hot/cold rule on a random sample of the candidates. O(1)."""

    def __init__(self, load: Load) -> None:
        super().__init__(load)
        self._loads: deque[float] = deque(maxlen=REMEMBERED)
        self._limit = 0.0
        self._picks = 0

    def pick(self, candidates: Candidates, exchange: Exchange, rng: Random, now: float) -> Backend | None:
        """Return the fastest cold backend of the sample, or the least loaded one if all are hot."""
        sample = self._sample(candidates, exchange, rng)
        if not sample:
            return None
        limit = self._hot_limit()
        cold = [backend for backend in sample if relative_load(backend) <= limit]
        return min(cold, key=lambda backend: backend.latency_mean) if cold else min(sample, key=relative_load)

    def _sample(self, candidates: Candidates, exchange: Exchange, rng: Random) -> list[Backend]:
        if len(candidates) <= SAMPLE:
            turn = int(rng.random() * len(candidates))  # rotate: among equals, the first of the sample wins
            around = candidates[turn:] + candidates[:turn]
            sample = [backend for backend in around if backend.effective_weight > 0 and self.takes(backend, exchange)]
        else:
            drawn = (self.draw(candidates, exchange, rng) for _ in range(SAMPLE))
            sample = [backend for backend in drawn if backend is not None]
        self._loads.extend(relative_load(backend) for backend in sample)
        return sample

    def _hot_limit(self) -> float:
        if self._picks % RECOMPUTE == 0:
            loads = sorted(self._loads)
            self._limit = loads[min(len(loads) - 1, int(HOT_QUANTILE * len(loads)))]
        self._picks += 1
        return self._limit
