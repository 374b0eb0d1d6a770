"""Service times of a backend: distributions with a known mean and variance, so that theory applies."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt
from random import Random
from typing import Protocol


class ServiceTime(Protocol):
    """A distribution of work in seconds."""

    @property
    def mean(self) -> float:
        """Return the mean in seconds."""

    @property
    def scv(self) -> float:
        """Return the squared coefficient of variation, variance / mean²: 0 for constant work, 1 for exponential."""

    def __call__(self, rng: Random) -> float:
        """Return the work of one request in seconds."""


@dataclass(frozen=True, slots=True)
class Exponential:
    """Exponential distribution, for which queueing theory has closed forms."""

    mean: float
    scv: float = 1.0

    def __call__(self, rng: Random) -> float:
        """Return one draw."""
        return rng.expovariate(1.0 / self.mean)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Log-normal distribution. It has a long tail, as measured service times usually have."""

    mean: float
    scv: float

    def __call__(self, rng: Random) -> float:
        """Return one draw. σ² = ln(1 + scv) and μ = ln(mean) − σ²/2 give the requested mean and variance."""
        variance = log(1.0 + self.scv)
        return self.mean * exp(rng.gauss(-variance / 2.0, sqrt(variance)))
