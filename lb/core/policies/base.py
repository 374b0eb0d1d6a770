"""Interface of a policy: one method that picks from an immutable snapshot, and two notifications."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import inf
from random import Random
from typing import Final

from ..backend import Backend
from ..exchange import Exchange

Candidates = tuple[Backend, ...]
"""The usable backends. It is the same object until they change, so a policy may cache by identity."""

DRAWS: Final = 4
"""Random draws before all candidates are examined. If half of them are excluded, 15 of 16 picks need only these
draws."""


@dataclass(slots=True)
class Load:
    """Load of the balancer as a whole, for policies."""

    max_in_flight: int
    """Cap on the attempts in flight on each backend."""
    in_flight: int = 0
    """Attempts in progress on all backends together."""


class Policy(ABC):
    """A load-balancing policy. It keeps only the state that it needs for the next pick."""

    def __init__(self, load: Load) -> None:
        self.load = load

    @abstractmethod
    def pick(self, candidates: Candidates, exchange: Exchange, rng: Random, now: float) -> Backend | None:
        """Return a candidate that accepts the exchange (`takes`), or None."""

    def responded(self, backend: Backend, took: float, now: float) -> None:  # noqa: B027 - most policies do not care
        """Record that an attempt got its first byte, or timed out, `took` seconds after it was sent."""

    def released(self, backend: Backend) -> None:  # noqa: B027 - most policies do not care
        """Record that an attempt on the backend has ended."""

    def takes(self, backend: Backend, exchange: Exchange) -> bool:
        """Return whether the backend may get the exchange.

        It may if it is below its cap and was not tried by this exchange. If it is unreliable, the exchange must also
        accept unreliable backends.
        """
        if backend.unreliable and not (exchange.idempotent or exchange.accepts_unreliable):
            return False
        return backend.in_flight < self.load.max_in_flight and backend not in exchange.tried

    def takes_pinned(self, backend: Backend, exchange: Exchange) -> bool:
        """Return the same as `takes`, but for a pinned session, which also stays on an unreliable backend."""
        return backend.in_flight < self.load.max_in_flight and backend not in exchange.tried

    def draw(
        self, candidates: Candidates, exchange: Exchange, rng: Random, other_than: Backend | None = None
    ) -> Backend | None:
        """Return a random backend that takes the exchange, other than `other_than`; None if there is none.

        All backends are equally likely in the first draw.
        """
        count = len(candidates)
        for _ in range(DRAWS if count else 0):
            backend = candidates[int(rng.random() * count)]
            if backend is not other_than and backend.effective_weight > 0 and self.takes(backend, exchange):
                return backend
        eligible = [
            backend
            for backend in candidates
            if backend is not other_than and backend.effective_weight > 0 and self.takes(backend, exchange)
        ]
        return eligible[int(rng.random() * len(eligible))] if eligible else None


def relative_load(backend: Backend) -> float:
    """Return the attempts in flight, including the one about to start, per unit of weight; infinite at weight 0."""
    return (backend.in_flight + 1) / backend.effective_weight if backend.effective_weight > 0 else inf


def ramp_share(backend: Backend) -> float:
    """Return the share of its configured weight that the backend may carry: 1 without slow start and load reports."""
    return min(1.0, backend.effective_weight / backend.weight) if backend.weight > 0 else 0.0
