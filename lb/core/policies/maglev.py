"""Maglev hashing: a lookup table with nearly equal shares that changes little when a backend leaves.

Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer" (NSDI 2016), §3.4: every backend has its
own permutation of the M slots (M prime), and each backend in turn claims the next free slot of its permutation.
Turns in proportion to the weights are Envoy's addition.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heapreplace
from math import ceil
from random import Random
from typing import Final

from ..backend import Backend
from ..exchange import Exchange
from .base import Candidates, Load, ramp_share
from .hash_tables import SLICE, TablePolicy
from .hashing import fraction, hash64, key_of

SIZES: Final = (2039, 4093, 8191, 16381, 32749, 65537)
"""Primes just below powers of two (the last one just above)."""
SLOTS_PER_BACKEND: Final = 100
"""As in the paper, M > 100 · N keeps shares within about 1 % of equal, which holds up to 655 backends."""

_FREE: Final = -1
_CHECKS_PER_SLICE: Final = 8 * SLICE
"""Slots examined in one slice. Examining one costs an eighth of making a point of a ring (`ring_hash`)."""
_OWNERS_PER_SLICE: Final = SLICE // 4
"""Backends whose permutations are computed in one slice. Each needs two digests; eight points of a ring need one."""
_CHECKS_PER_CLAIM: Final = 10
"""Cost of claiming a free slot, in slots examined."""


class Maglev(TablePolicy):
    """Maglev hashing. A pick is one lookup, O(1), unless the slot's backend is removed, full or tried.

    The table grows but never shrinks, because another M moves nearly all keys, which the loss of a backend must not do.
    """

    def __init__(self, load: Load) -> None:
        super().__init__(load)
        self._table: list[int] = []
        self._owners: Sequence[Backend] = ()
        self._size = SIZES[0]

    @property
    def max_entries(self) -> int:
        """Slots of the largest table."""
        return SIZES[-1]

    def pick(self, candidates: Candidates, exchange: Exchange, rng: Random, now: float) -> Backend | None:
        """Return the owner of the key's slot, or the owner of the first slot after it that takes the exchange."""
        self.refresh(candidates, now)
        key, size = key_of(exchange, rng), len(self._table)
        seen: set[Backend] = set()
        fallback: Backend | None = None
        for step in range(size):
            backend = self._owners[self._table[(key + step) % size]]
            if backend in seen:
                continue
            if backend in self.live and self.takes(backend, exchange):
                if fraction(key >> 32) < ramp_share(backend):
                    return backend
                fallback = fallback or backend
            seen.add(backend)
            if len(seen) == len(self.in_table):
                break
        if fallback is None and self.building:
            return self.draw(candidates, exchange, rng)
        return fallback

    def build(self, weights: dict[Backend, float], max_entries: int) -> Iterator[None]:
        """Fill a table of the size that these backends need; a coarse table has the smallest size."""
        size = SIZES[0]
        if max_entries >= SIZES[-1]:
            wanted = len(weights) * SLOTS_PER_BACKEND
            size = self._size = max(self._size, next((size for size in SIZES if size >= wanted), SIZES[-1]))
        owners = sorted(weights, key=_name)
        table = [_FREE] * (size if owners else 0)
        yield from fill(table, owners, [weights[owner] for owner in owners])
        self._table, self._owners = table, owners


def fill(table: list[int], owners: Sequence[Backend], weights: Sequence[float]) -> Iterator[None]:
    """Fill a free table with the number of the owner of each slot (`Populate` in the paper), and yield after each
    slice.

    `owners` are sorted by id, so that every balancer with these backends fills the table identically. A backend whose
    weight is the share w of the largest weight claims a slot in the rounds 1, 1 + ⌈1/w⌉, 1 + ⌈2/w⌉, …: every backend
    gets a slot as long as there are enough, and the cost does not depend on the ratio of the weights.
    """
    size, count, heaviest = len(table), len(owners), max(weights, default=1.0)
    slots: list[int] = []
    skips: list[int] = []
    for owner in owners:
        slots.append(hash64(owner.id.encode(), b"offset") % size)
        skips.append(hash64(owner.id.encode(), b"skip") % (size - 1) + 1)
        if len(slots) % _OWNERS_PER_SLICE == 0:
            yield
    claims = [0] * count
    turns = list(range(count, 2 * count))  # round × count + number; sorted, hence a heap
    work = 0
    for _ in range(size):
        number = turns[0] % count
        slot, skip = slots[number], skips[number]
        while table[slot] != _FREE:
            slot = (slot + skip) % size
            work += 1
            if work >= _CHECKS_PER_SLICE:
                work = 0
                yield
        table[slot], slots[number] = number, slot
        claims[number] += 1
        heapreplace(turns, (1 + ceil(claims[number] * heaviest / weights[number])) * count + number)
        work += _CHECKS_PER_CLAIM


def _name(backend: Backend) -> str:
    return backend.id
