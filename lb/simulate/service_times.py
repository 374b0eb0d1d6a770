"""How long a backend works on a request: distributions with a known mean and variance, so that theory applies."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt
from random import Random
from typing import Protocol


class ServiceTime(Protocol):
    """A distribution of seconds of work."""

    @property
    def mean(self) -> float:
        """Seconds."""

    @property
    def scv(self) -> float:
        """Squared coefficient of variation: variance / mean². 0 is constant, 1 exponential."""

    def __call__(self, rng: Random) -> float:
        """The work of one request."""


@dataclass(frozen=True, slots=True)
class Exponential:
    """Memoryless: the case that queueing theory solves in closed form."""

    mean: float
    scv: float = 1.0

    def __call__(self, rng: Random) -> float:
        """One draw."""
        return rng.expovariate(1.0 / self.mean)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Long-tailed, and what measured service times most often look like."""

    mean: float
    scv: float

    def __call__(self, rng: Random) -> float:
        """One draw. σ² = ln(1 + scv) and μ = ln(mean) − σ²/2 give the mean and variance asked for."""
        variance = log(1.0 + self.scv)
        return self.mean * exp(rng.gauss(-variance / 2.0, sqrt(variance)))
