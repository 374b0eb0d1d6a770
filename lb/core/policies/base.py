"""What every policy is: one verb on an immutable snapshot, and two facts it may listen to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import inf
from random import Random
from typing import Final

from ..backend import Backend
from ..exchange import Exchange

Candidates = tuple[Backend, ...]
"""The usable backends. The same object until membership changes, so a policy may cache by identity."""

DRAWS: Final = 4
"""Random draws before a scan. With half of the backends excluded, 15 of 16 picks end within four draws."""


@dataclass(slots=True)
class Load:
    """What a policy may know of the balancer as a whole."""

    max_in_flight: int
    """The cap of each backend."""
    in_flight: int = 0
    """Attempts under way on all backends together."""


class Policy(ABC):
    """Picks one of the candidates. Owns only what it needs to pick the next one."""

    def __init__(self, load: Load) -> None:
        self.load = load

    @abstractmethod
    def pick(self, candidates: Candidates, exchange: Exchange, rng: Random, now: float) -> Backend | None:
        """A candidate that `takes` the exchange; None when there is none."""

    def responded(self, backend: Backend, took: float, now: float) -> None:  # noqa: B027 - most policies do not care
        """An attempt had its first byte, or was given up, `took` seconds after it was sent."""

    def released(self, backend: Backend) -> None:  # noqa: B027 - most policies do not care
        """One attempt less is in flight on the backend."""

    def takes(self, backend: Backend, exchange: Exchange) -> bool:
        """Below its cap, not tried by this exchange yet, and not unreliable where that matters to it."""
        if backend.unreliable and not (exchange.idempotent or exchange.accepts_unreliable):
            return False
        return backend.in_flight < self.load.max_in_flight and backend not in exchange.tried

    def takes_pinned(self, backend: Backend, exchange: Exchange) -> bool:
        """As `takes`, for a session that stays where it is, unreliable or not."""
        return backend.in_flight < self.load.max_in_flight and backend not in exchange.tried

    def draw(
        self, candidates: Candidates, exchange: Exchange, rng: Random, other_than: Backend | None = None
    ) -> Backend | None:
        """A random backend that takes the exchange, other than `other_than`; every one equally likely at first draw."""
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
    """Attempts in flight for each unit of weight, the one about to start included; infinite at weight 0."""
    return (backend.in_flight + 1) / backend.effective_weight if backend.effective_weight > 0 else inf


def ramp_share(backend: Backend) -> float:
    """The share of its own configured weight that the backend may carry now: 1 but for slow start or a load report."""
    return min(1.0, backend.effective_weight / backend.weight) if backend.weight > 0 else 0.0
