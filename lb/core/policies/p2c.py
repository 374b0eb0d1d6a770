"""Power of two choices: picks the less loaded of two backends drawn at random.

Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing": the longest queue grows like log log n instead of
log n / log log n. There is no herd effect, because no backend is the best choice for all requests at once.
"""

from __future__ import annotations

from random import Random

from ..backend import Backend
from ..exchange import Exchange
from .base import Candidates, Policy, relative_load


class PowerOfTwoChoices(Policy):
    """Power of two choices. O(1), without state."""

    def pick(self, candidates: Candidates, exchange: Exchange, rng: Random, now: float) -> Backend | None:
        """Return the less loaded of two different backends that take the exchange."""
        first = self.draw(candidates, exchange, rng)
        second = self.draw(candidates, exchange, rng, other_than=first) if first else None
        if first is None or second is None:
            return first
        return first if self.cost(first, now) <= self.cost(second, now) else second

    def cost(self, backend: Backend, now: float) -> float:
        """Return the value to compare; the lower one wins."""
        return relative_load(backend)
