"""Consistent hashing on a ring, with bounded load.

Karger's ring: each backend owns many points, a key belongs to the next point clockwise, and the departure of a
backend moves only the keys that were its own. Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with
Bounded Loads": a backend above 1.25 × its fair share of what is in flight passes the key on to the next one, so a
hot key cannot drown its owner.
"""

from __future__ import annotations

from bisect import bisect_right
from math import ceil
from random import Random
from typing import Final

from lb.core.backend import Backend
from lb.core.exchange import Exchange
from lb.core.policies.base import Candidates, Load, Policy, ramp
from lb.core.policies.hashing import fraction, key_of, points_of

LOAD_FACTOR: Final = 1.25
REFRESH: Final = 1.0
"""Seconds between two looks at the configured weights, which may change within one snapshot."""
MOST_POINTS, LEAST_POINTS, ALL_POINTS = 1024, 16, 65536
"""Points for weight 1. A share deviates by about 1/√points of itself: 3 % at 1,024. For many backends fewer must do,
as the ring is built in one go: 10,000 × 16 points sort in some 100 ms, and the load bound evens the shares out."""


class RingHash(Policy):
    """A pick is a bisection, O(log n), and a short walk past those that are full, tried or above the load bound."""

    def __init__(self, load: Load) -> None:
        super().__init__(load)
        self._members: Candidates = ()
        self._weights: dict[Backend, float] = {}
        self._total = 0.0
        self._looked_at = 0.0
        self._points: list[int] = []
        self._owners: list[Backend] = []

    def pick(self, candidates: Candidates, exchange: Exchange, rng: Random, now: float) -> Backend | None:
        """The key's owner, or the first one clockwise that takes the exchange and is below the load bound."""
        if candidates is not self._members or now >= self._looked_at + REFRESH:
            self._look(candidates, now)
        key = key_of(exchange, rng)
        start, owners = bisect_right(self._points, key), self._owners
        seen: set[Backend] = set()
        declined: Backend | None = None
        for step in range(len(owners)):
            backend = owners[(start + step) % len(owners)]
            if backend in seen:
                continue
            if self.takes(backend, exchange):
                if self._below_bound(backend) and fraction(key) < ramp(backend):
                    return backend
                declined = declined or backend
            seen.add(backend)
            if len(seen) == len(self._weights):
                break
        return declined

    def _below_bound(self, backend: Backend) -> bool:
        fair = (self.load.in_flight + 1) * backend.weight / self._total
        return backend.in_flight < ceil(LOAD_FACTOR * fair)

    def _look(self, candidates: Candidates, now: float) -> None:
        self._members, self._looked_at = candidates, now
        weights = {backend: backend.weight for backend in candidates if backend.weight > 0}
        if weights != self._weights:
            self._weights = weights
            self._total = sum(weights.values())
            self._build()

    def _build(self) -> None:
        points = points_per_weight(len(self._weights))
        ring = [
            (point, backend)
            for backend, weight in self._weights.items()
            for point in points_of(backend.id, max(1, round(points * weight)))
        ]
        ring.sort(key=lambda entry: entry[0])
        self._points = [point for point, _ in ring]
        self._owners = [backend for _, backend in ring]


def points_per_weight(backends: int) -> int:
    """A power of two, so that it changes (and moves keys) only when the number of backends doubles or halves."""
    return max(LEAST_POINTS, min(MOST_POINTS, 1 << (ALL_POINTS // max(1, backends)).bit_length() - 1))
