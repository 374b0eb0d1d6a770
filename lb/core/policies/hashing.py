"""Hashes that are equal in all processes and versions, for policies that must pick the same backend everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from random import Random
from struct import iter_unpack

from ..exchange import Exchange


def hash64(data: bytes, purpose: bytes = b"") -> int:
    """Return 64 bits of a BLAKE2b hash. Python's `hash()` differs between processes."""
    return int.from_bytes(blake2b(data, digest_size=8, person=purpose).digest(), "big")


def key_of(exchange: Exchange, rng: Random) -> int:
    """Return the position of the exchange in the hash space; a random one if it has no key."""
    return hash64(exchange.hash_key) if exchange.hash_key else rng.getrandbits(64)


def blocks_of(name: str, count: int) -> Iterator[list[int]]:
    """Yield `count` pseudorandom 64-bit points that depend only on `name`, in lists of eight, one for each digest."""
    for block in range((count + 7) // 8):
        digest = blake2b(name.encode(), digest_size=64, salt=block.to_bytes(4, "big")).digest()
        yield [value for (value,) in iter_unpack(">Q", digest)][: count - 8 * block]


def fraction(key: int) -> float:
    """Return a number in [0, 1) that is constant for a key and independent of its position on the ring."""
    return (key & 0xFFFF_FFFF) / 2**32
