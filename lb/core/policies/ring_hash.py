"""Consistent hashing on a ring, with bounded load.

Karger's ring: each backend owns many points, a key belongs to the next point clockwise, and the departure of a backend
moves only its own keys. Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads": a backend above
1.25 × its fair share of the attempts in flight passes the key on to the next one, so a hot key cannot overload its
owner.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from math import ceil, frexp
from random import Random
from typing import Final

from ..backend import Backend
from ..exchange import Exchange
from .base import Candidates, Load, ramp_share
from .hash_tables import SLICE, TablePolicy
from .hashing import blocks_of, fraction, key_of

LOAD_FACTOR: Final = 1.25
MAX_POINTS_PER_WEIGHT, MAX_POINTS = 1024, 65536
"""Limits on the points for weight 1 and for all backends together. A share deviates by about 1/√points of itself: 3 %
at 1,024. If the weights ask for more than 65,536 points, all backends get fewer in proportion, and the load bound evens
the shares out. Each backend has at least one point, which sets a lower limit of 1/65,536 on its share."""
_ARCS: Final = 256
"""Number of parts of the hash space. They are sorted one by one, because sorting all would block the event loop."""

_NUMBER_BITS: Final = 20
_NUMBER: Final = (1 << _NUMBER_BITS) - 1
"""Mask of the owner's number. For sorting, a point and its owner's number form one integer, because so many tuples
would trigger the garbage collector."""


class RingHash(TablePolicy):
    """Ring hash. A pick is a bisection, O(log n), and a walk past removed, full, tried and overloaded backends."""

    def __init__(self, load: Load) -> None:
        super().__init__(load)
        self._points: list[int] = []
        self._owners: list[Backend] = []

    @property
    def max_entries(self) -> int:
        """Maximum number of points, not counting the one point of each backend whose weight is too small for any."""
        return MAX_POINTS

    def pick(self, candidates: Candidates, exchange: Exchange, rng: Random, now: float) -> Backend | None:
        """Return the first backend clockwise from the key that takes the exchange and is below the load bound."""
        self.refresh(candidates, now)
        key = key_of(exchange, rng)
        start, owners = bisect_right(self._points, key), self._owners
        seen: set[Backend] = set()
        fallback: Backend | None = None
        for step in range(len(owners)):
            backend = owners[(start + step) % len(owners)]
            if backend in seen:
                continue
            if backend in self.live and self.takes(backend, exchange):
                if self._below_bound(backend) and fraction(key) < ramp_share(backend):
                    return backend
                fallback = fallback or backend
            seen.add(backend)
            if len(seen) == len(self.in_table):
                break
        if fallback is None and self.building:
            return self.draw(candidates, exchange, rng)
        return fallback

    def build(self, weights: dict[Backend, float], max_entries: int) -> Iterator[None]:
        """Make the points by arc, then sort each arc."""
        backends, work = list(weights), 0
        arcs: list[list[int]] = [[] for _ in range(_ARCS)]
        per_weight = points_per_weight(len(backends), sum(weights.values()), max_entries)
        for number, backend in enumerate(backends):
            for block in blocks_of(backend.id, max(1, round(per_weight * weights[backend]))):
                if work >= SLICE:
                    work = 0
                    yield
                work += len(block)
                for point in block:
                    arcs[point >> 56].append(point << _NUMBER_BITS | number)
        points: list[int] = []
        owners: list[Backend] = []
        for arc in arcs:
            if work >= 2 * SLICE:  # sorting a point costs half of making it
                work = 0
                yield
            work += len(arc)
            arc.sort()
            points += [entry >> _NUMBER_BITS for entry in arc]
            owners += [backends[entry & _NUMBER] for entry in arc]
        self._points, self._owners = points, owners

    def _below_bound(self, backend: Backend) -> bool:
        fair = (self.load.in_flight + 1) * backend.weight / self.total
        return backend.in_flight < ceil(LOAD_FACTOR * fair)


def points_per_weight(backends: int, total: float, max_entries: int = MAX_POINTS) -> float:
    """Return the number of points for weight 1, where `total` is the sum of all weights.

    It is a power of two, so that it changes (and moves keys) only when its inputs double or halve. Weights that are
    below 1 on average get as many points as 1 does, because only ratios matter.
    """
    if not backends:
        return 0.0
    wanted = min(MAX_POINTS_PER_WEIGHT * max(1.0, backends / total), max_entries / total)
    return float(2.0 ** (frexp(wanted)[1] - 1))
