"""The load-balancing policies: each picks one backend of an immutable snapshot.

A new policy is registered here, in `POLICIES`, and in `HASHING` if it picks by key.
"""

from __future__ import annotations

from typing import Final

from .base import Candidates, Load, Policy
from .least_requests import LeastRequests
from .maglev import Maglev
from .p2c import PowerOfTwoChoices
from .peak_ewma import PeakEwma
from .prequal import Prequal
from .random import RandomChoice
from .ring_hash import RingHash
from .round_robin import RoundRobin
from .weighted import Weighted

POLICIES: Final[dict[str, type[Policy]]] = {
    "least_requests": LeastRequests,
    "maglev": Maglev,
    "p2c": PowerOfTwoChoices,
    "peak_ewma": PeakEwma,
    "prequal": Prequal,
    "random": RandomChoice,
    "ring_hash": RingHash,
    "round_robin": RoundRobin,
    "weighted": Weighted,
}

HASHING: Final = frozenset({"maglev", "ring_hash"})
"""Policies that pick by `Exchange.hash_key`."""


class UnknownPolicyError(ValueError):
    """No policy has this name."""


def create(name: str, load: Load) -> Policy:
    """Return a new policy without any state. Raise UnknownPolicyError."""
    if name not in POLICIES:
        raise UnknownPolicyError(f"unknown policy {name!r}; known: {', '.join(sorted(POLICIES))}")
    return POLICIES[name](load)


__all__ = ["HASHING", "POLICIES", "Candidates", "Load", "Policy", "UnknownPolicyError", "create"]
