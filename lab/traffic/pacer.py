"""Due times of requests: pure functions of rate and randomness, after vegeta's `lib/pacer.go`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from random import Random


def constant(rate: float) -> Iterator[float]:
    """Yield evenly spaced due times in seconds from 0. Each is computed by division, so errors do not accumulate."""
    return (hit / rate for hit in count())


def poisson(rate: float, rng: Random) -> Iterator[float]:
    """Yield the due times of a Poisson process in seconds, like those of many independent users."""
    due = 0.0
    while True:
        due += rng.expovariate(rate)
        yield due


def due_times(pacing: str, rate: float, rng: Random) -> Iterator[float]:
    """Return the due times for a plan's `pacing`. Raise ValueError if there is no such pacing."""
    match pacing:
        case "constant":
            return constant(rate)
        case "poisson":
            return poisson(rate, rng)
        case _:
            raise ValueError(f"there is no pacing {pacing!r}")
