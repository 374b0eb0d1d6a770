"""Maglev hashing: a look-up table that is as even as can be and changes little when a backend leaves.

Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer" (NSDI 2016), §3.4: every backend has
its own permutation of the M slots (M prime), and backends take turns in claiming the next free slot of theirs.
Turns in proportion to the weights are Envoy's addition.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

from lb.core.backend import Backend
from lb.core.exchange import Exchange
from lb.core.policies.base import Candidates, Load, Policy, ramp
from lb.core.policies.hashing import fraction, hash64, key_of

SIZES: Final = (2039, 4093, 8191, 16381, 32749, 65537)
"""Primes just below (the last: above) powers of two. A table is filled in one go, 65,537 slots in some 50 ms."""
SLOTS_PER_BACKEND: Final = 100
"""The paper's M > 100 · N keeps shares within about 1 % of even; beyond 655 backends the shares get coarser."""
REFRESH: Final = 1.0
"""Seconds between two looks at the configured weights, which may change within one snapshot."""


class Maglev(Policy):
    """A pick is one look-up, O(1), unless the slot's backend is full or tried. The table grows but never shrinks:
    another M moves nearly every key, and the loss of a backend must not."""

    def __init__(self, load: Load) -> None:
        super().__init__(load)
        self._members: Candidates = ()
        self._weights: dict[Backend, float] = {}
        self._looked_at = 0.0
        self._table: Sequence[Backend] = ()
        self._size = SIZES[0]

    def pick(self, candidates: Candidates, exchange: Exchange, rng: Random, now: float) -> Backend | None:
        """The owner of the key's slot, or of the first slot after it that takes the exchange."""
        if candidates is not self._members or now >= self._looked_at + REFRESH:
            self._look(candidates, now)
        key, size = key_of(exchange, rng), len(self._table)
        seen: set[Backend] = set()
        declined: Backend | None = None
        for step in range(size):
            backend = self._table[(key + step) % size]
            if backend in seen:
                continue
            if self.takes(backend, exchange):
                if fraction(key >> 32) < ramp(backend):
                    return backend
                declined = declined or backend
            seen.add(backend)
            if len(seen) == len(self._weights):
                break
        return declined

    def _look(self, candidates: Candidates, now: float) -> None:
        self._members, self._looked_at = candidates, now
        weights = {backend: backend.weight for backend in candidates if backend.weight > 0}
        if weights != self._weights:
            self._weights = weights
            wanted = len(weights) * SLOTS_PER_BACKEND
            self._size = max(self._size, next((size for size in SIZES if size >= wanted), SIZES[-1]))
            self._table = fill(weights, self._size)


def fill(weights: dict[Backend, float], size: int) -> Sequence[Backend]:
    """The paper's `Populate`. Sorted by id, so that every balancer that knows these backends fills it alike."""
    if not weights:
        return ()
    backends = sorted(weights, key=lambda backend: backend.id)
    heaviest = max(weights.values())
    slots = [hash64(backend.id.encode(), b"offset") % size for backend in backends]
    skips = [hash64(backend.id.encode(), b"skip") % (size - 1) + 1 for backend in backends]
    turns = [weights[backend] / heaviest for backend in backends]
    credit = [0.0] * len(backends)
    table: list[Backend | None] = [None] * size
    free = size
    while free:
        for index, backend in enumerate(backends):
            credit[index] += turns[index]
            if credit[index] < 1.0:
                continue
            credit[index] -= 1.0
            slot = slots[index]
            while table[slot] is not None:
                slot = (slot + skips[index]) % size
            table[slot], slots[index] = backend, slot
            free -= 1
            if not free:
                break
    return [backend for backend in table if backend is not None]
