"""Round robin: picks each backend in turn, in order of insertion."""

from __future__ import annotations

from random import Random

from ..backend import Backend
from ..exchange import Exchange
from .base import Candidates, Load, Policy, ramp_share


class RoundRobin(Policy):
    """Round robin. It ignores weights, but a backend in slow start skips turns according to its ramp."""

    def __init__(self, load: Load) -> None:
        super().__init__(load)
        self._order: Candidates = ()
        self._turn = 0

    def pick(self, candidates: Candidates, exchange: Exchange, rng: Random, now: float) -> Backend | None:
        """Return the next backend in turn that takes the exchange. O(1) unless backends are full."""
        if candidates is not self._order:
            self._set_candidates(candidates)
        turn, count, skipped = self._turn, len(candidates), None
        for _ in range(count):
            backend = candidates[turn]
            turn = turn + 1 if turn + 1 < count else 0
            if not self.takes(backend, exchange):
                continue
            if backend.effective_weight >= backend.weight or rng.random() < ramp_share(backend):
                self._turn = turn
                return backend
            skipped = skipped or backend
        return skipped

    def _set_candidates(self, candidates: Candidates) -> None:
        """Adopt a new snapshot and continue with the backend whose turn it was.

        Restarting at index 0 would favour the first backend at every change.
        """
        if not candidates:
            return
        place = {backend: index for index, backend in enumerate(candidates)}
        turns = self._order[self._turn :] + self._order[: self._turn]
        self._turn = next((place[backend] for backend in turns if backend in place), 0)
        self._order = candidates
