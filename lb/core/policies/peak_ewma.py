"""Peak EWMA: compares two random choices by latency × load. A latency peak counts at once and decays slowly.

Modelled on finagle's `PeakEwma`: cost = EWMA of the latency × (attempts in flight + 1). A sample above the average
replaces it; a sample below it is smoothed in with the weight 1 − e^(−Δt/τ). A backend without a response so far costs
nothing while idle and `PENALTY` with one attempt in flight, so that exactly one request tests it.
"""

from __future__ import annotations

from math import exp
from random import Random
from typing import Final, NamedTuple

from ..backend import Backend
from ..exchange import Exchange
from .base import Candidates, Load, relative_load
from .p2c import PowerOfTwoChoices

DECAY: Final = 10.0
"""τ in seconds, finagle's default: a peak has decayed to 37 % after ten seconds of low samples."""
PENALTY: Final = 1e6
"""Seconds. Cost of a second attempt on a backend that has not responded yet."""
SLACK: Final = 64
"""Averages of backends that are not candidates are kept, because a backend may be absent only for a short time. They
are dropped if there are more averages than this plus two for each candidate."""


class _Average(NamedTuple):
    latency: float
    at: float


class PeakEwma(PowerOfTwoChoices):
    """Peak EWMA. O(1). It keeps its own averages, because `latency_mean` is smoothed without peaks."""

    def __init__(self, load: Load) -> None:
        super().__init__(load)
        self._averages: dict[Backend, _Average] = {}

    def pick(self, candidates: Candidates, exchange: Exchange, rng: Random, now: float) -> Backend | None:
        """Return the cheaper of two different backends that take the exchange."""
        if len(self._averages) > 2 * len(candidates) + SLACK:
            self._averages = {backend: self._averages[backend] for backend in candidates if backend in self._averages}
        return super().pick(candidates, exchange, rng, now)

    def responded(self, backend: Backend, took: float, now: float) -> None:
        """Smooth the sample in, or take it as the new peak."""
        old = self._averages.get(backend)
        if old is None:
            self._averages[backend] = _Average(took, now)
            return
        kept = 0.0 if took > old.latency else exp(-(now - old.at) / DECAY)
        self._averages[backend] = _Average(old.latency * kept + took * (1.0 - kept), now)

    def cost(self, backend: Backend, now: float) -> float:
        """Return the seconds that a request would wait if those before it were served one by one."""
        average = self._averages.get(backend)
        if average is None:
            return PENALTY * relative_load(backend) if backend.in_flight else 0.0
        return average.latency * relative_load(backend)
