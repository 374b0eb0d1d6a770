"""Measures how many keys move to another backend when one backend leaves, for each hash policy."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from ..core.backend import Backend
from ..core.exchange import Exchange
from ..core.policies import HASHING, Candidates, Load, Policy, create

BACKENDS = 10
KEYS = 20_000


@dataclass(frozen=True, slots=True)
class Disruption:
    """Result for one policy, as shares of all keys."""

    policy: str
    backends: int
    moved: float
    """Share of the keys that have another backend afterwards."""
    without_need: float
    """Share of the keys that moved although their old backend is still in the set."""
    theory: float = 1.0 / BACKENDS
    formula: str = "1/N: the keys of the backend that left"
    source: str = "Karger 1997 (ring); Eisenbud 2016, §5.3 (Maglev: a few more)"


def disruptions() -> list[Disruption]:
    """Return the result for every policy that picks by key."""
    return [disruption(name) for name in sorted(HASHING)]


def disruption(name: str) -> Disruption:
    """Return the result if the first of ten equal, idle backends leaves."""
    backends = tuple(Backend(f"api-{n}", "127.0.0.1", 9000 + n) for n in range(1, BACKENDS + 1))
    policy = create(name, Load(max_in_flight=1))
    before, after = _owners(policy, backends), _owners(policy, backends[1:])
    moved = sum(old is not new for old, new in zip(before, after, strict=True))
    orphaned = sum(old is backends[0] for old in before)
    return Disruption(name, BACKENDS, moved / KEYS, (moved - orphaned) / KEYS)


def _owners(policy: Policy, backends: Candidates) -> list[Backend | None]:
    rng = Random(0)
    return [policy.pick(backends, Exchange("GET", True, 0.0, 1.0, b"%d" % key), rng, 0.0) for key in range(KEYS)]
