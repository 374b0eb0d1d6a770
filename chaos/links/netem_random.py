"""The random processes of netem, so that nfqueue and netem behave alike. Pure: the random source is an argument.

Sources: tc-netem(8), and net/sched/sch_netem.c for the correlation (`get_crandom`), the loss model (`loss_gilb_ell`)
and the scale of the distributions (iproute2's tables, reproduced here by their formulae).
"""

from __future__ import annotations

import math
from random import Random
from statistics import NormalDist

from .impairment import Distribution, Impairment

NORMAL = NormalDist()
PARETO_SHAPE = 3.0
PARETO_MEAN = 1.5
PARETO_SCALE = 4.0 / 3.0
PARETO_LONGEST = 4.0
"""Upper end of iproute2's table: no delay is more than four jitters above the mean."""


class CorrelatedNumbers:
    """Random numbers within 0–1, each correlated with the previous one: xₙ = (1 − ρ)·uₙ + ρ·xₙ₋₁."""

    def __init__(self, correlation: float, rng: Random) -> None:
        self._correlation = correlation
        self._rng = rng
        self._last = rng.random()

    def next(self) -> float:
        """Return the next number."""
        self._last = (1 - self._correlation) * self._rng.random() + self._correlation * self._last
        return self._last


class Bernoulli:
    """Selects each packet with probability `share`."""

    def __init__(self, share: float, correlation: float, rng: Random) -> None:
        self._share = share
        self._random = CorrelatedNumbers(correlation, rng)

    def hits(self) -> bool:
        """Return whether this packet is selected."""
        return self._random.next() < self._share


class GilbertElliott:
    """Losses in bursts: all packets are lost in the bad state, none in the good one.

    If π is the share of time in the bad state and r the probability to leave it, the probability to enter it is
    p = π·r / (1 − π).
    """

    def __init__(self, share: float, recovery: float, rng: Random) -> None:
        self.enter = entering(share, recovery)
        self._leave = recovery if share < 1 else 0.0
        self._rng = rng
        self._bad = rng.random() < share

    def hits(self) -> bool:
        """Return whether this packet is lost."""
        lost = self._bad
        if self._rng.random() < (self._leave if self._bad else self.enter):
            self._bad = not self._bad
        return lost


def entering(share: float, recovery: float) -> float:
    """Return the probability to enter the bad state for a mean loss of `share`."""
    return 1.0 if share >= 1 else min(1.0, share * recovery / (1 - share))


def loss_process(impairment: Impairment, rng: Random) -> Bernoulli | GilbertElliott:
    """Return the process that decides which packets are lost."""
    if impairment.model == "gilbert-elliott":
        return GilbertElliott(impairment.loss, impairment.recovery, rng)
    return Bernoulli(impairment.loss, impairment.correlation, rng)


class DelayDraw:
    """Draws the delay of each packet, seconds."""

    def __init__(self, impairment: Impairment, rng: Random) -> None:
        self._impairment = impairment
        self._random = CorrelatedNumbers(impairment.correlation, rng)

    def next(self) -> float:
        """Return the delay of the next packet, never negative."""
        asked = self._impairment
        if not asked.jitter_s:
            return asked.delay_s
        return max(0.0, asked.delay_s + asked.jitter_s * self._deviation(asked.distribution))

    def _deviation(self, distribution: Distribution) -> float:
        match distribution:
            case "uniform":
                return 2 * self._random.next() - 1
            case "normal":
                return NORMAL.inv_cdf(min(max(self._random.next(), 1e-9), 1 - 1e-9))
            case "pareto":
                drawn = max(self._random.next(), 1e-9)
                return min(PARETO_LONGEST, PARETO_SCALE * (math.pow(drawn, -1 / PARETO_SHAPE) - PARETO_MEAN))
