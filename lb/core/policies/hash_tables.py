"""What both hash policies share: a table that is built in slices, so that no request waits for all of it.

A table is bounded by a constant whatever the weights are, but 65,536 entries still take some 50 ms, and the event loop
serves nobody meanwhile. So a pick builds one slice at most, and one each `SLICE_S` whatever the traffic is. Until the
new table is complete the old one decides: backends that are gone are skipped over, new ones wait. Where the old table
holds nobody who is usable, as at the start, a coarse one takes its place.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from ..backend import Backend
from .base import Candidates, Load, Policy

REFRESH: Final = 1.0
"""Seconds between two looks at the configured weights, which may change within one snapshot."""
SLICE: Final = 2048
"""Entries made in one slice, or what costs as much: about 1.5 ms in plain Python, so that the event loop is held up for
less than 5 ms on a machine that is a third as fast."""
SLICE_S: Final = 0.01
"""Seconds between two slices: building takes a fifth of the event loop's time at most. 65,536 entries take 0.7 s."""
FEW, FIRST_SLICES = 4, 3
"""Of so few backends so many slices are built at once where nothing serves yet: enough for all of their table, so that
keys are at home from the first one on."""
COARSE: Final = 256
"""Backends in a coarse table, at most."""


class TablePolicy(Policy):
    """Looks a key up in a table of the backends. `live` are those that may be picked, with their weights."""

    def __init__(self, load: Load) -> None:
        super().__init__(load)
        self.live: dict[Backend, float] = {}
        self.total = 0.0
        """Sum of the weights in `live`."""
        self.in_table: dict[Backend, float] = {}
        """Whom the table in use holds, with the weights that it was built for."""
        self._members: Candidates = ()
        self._refreshed_at = 0.0
        self._goal: dict[Backend, float] = {}
        self._building: Iterator[None] | None = None
        self._slice_at = 0.0

    @abstractmethod
    def build(self, weights: dict[Backend, float], max_entries: int) -> Iterator[None]:
        """Build a table of about `most` entries at most, yield after each slice of work, and use the table at last."""

    @property
    def building(self) -> bool:
        """The table in use does not hold everybody yet, or not by the weight of now."""
        return self._building is not None

    @property
    @abstractmethod
    def max_entries(self) -> int:
        """Entries of a complete table, at most."""

    def refresh(self, candidates: Candidates, now: float) -> None:
        """Notice who may be picked, and go on with building if there is something to build."""
        if candidates is not self._members or now >= self._refreshed_at + REFRESH:
            self._members, self._refreshed_at = candidates, now
            self.live = {backend: backend.weight for backend in candidates if backend.weight > 0}
            self.total = sum(self.live.values())
            if self._building is None and self.live != self.in_table:
                self._begin(now)
        if self._building is not None and now >= self._slice_at:
            self._advance(self._building, now)

    def _begin(self, now: float) -> None:
        self._goal = self.live
        self._building = self.build(self._goal, self.max_entries)
        self._slice_at = now

    def _advance(self, building: Iterator[None], now: float) -> None:
        self._slice_at = now + SLICE_S
        serves = any(backend in self.live for backend in self.in_table)
        if not finished(building, 1 if serves or len(self._goal) > FEW else FIRST_SLICES):
            if not serves:
                self._use_coarse()
            return
        self.in_table, self._building = self._goal, None
        if self.live != self.in_table:  # A build is never restarted: frequent changes could delay its end for ever.
            self._begin(now + SLICE_S)

    def _use_coarse(self) -> None:
        self.in_table = dict(islice(self.live.items(), COARSE))
        run(self.build(self.in_table, SLICE))


def finished(steps: Iterator[None], count: int) -> bool:
    """Take `most` steps; True when there were fewer."""
    for _ in steps:
        count -= 1
        if not count:
            return False
    return True


def run(steps: Iterable[None]) -> None:
    """Take all steps."""
    for _ in steps:
        pass
