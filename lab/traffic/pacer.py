"""When requests are due: pure functions of rate and randomness, after vegeta's `lib/pacer.go`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from random import Random


def constant(rate: float) -> Iterator[float]:
    """Evenly spaced due times in seconds, the first one at 0. Divided afresh each time, so no error adds up."""
    return (hit / rate for hit in count())


def poisson(rate: float, rng: Random) -> Iterator[float]:
    """Due times in seconds of a Poisson process: independent users, who do not wait for one another."""
    due = 0.0
    while True:
        due += rng.expovariate(rate)
        yield due


def due_times(pacing: str, rate: float, rng: Random) -> Iterator[float]:
    """Due times for a plan's `pacing`. Raises ValueError for one that does not exist."""
    match pacing:
        case "constant":
            return constant(rate)
        case "poisson":
            return poisson(rate, rng)
        case _:
            raise ValueError(f"there is no pacing {pacing!r}")
