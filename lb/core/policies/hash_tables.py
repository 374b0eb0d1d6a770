"""Base of both hash policies: a table that is built in slices, so that no request waits for the whole table.

The size of a table is limited, but building 65,536 entries takes about 50 ms, during which the event loop is blocked.
So a pick builds at most one slice, and there is at most one slice per `SLICE_S`. Until the new table is complete, the
old one is used: removed backends are skipped, and new ones are not used yet. If the old table has no usable backend, as
at the start, a coarse table is used.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from ..backend import Backend
from .base import Candidates, Load, Policy

REFRESH: Final = 1.0
"""Seconds between two checks of the configured weights, which may change within one snapshot."""
SLICE: Final = 2048
"""Entries of one slice, or work that costs as much. A slice takes about 1.5 ms in plain Python, so the event loop is
blocked for less than 5 ms on a host that is three times slower."""
SLICE_S: Final = 0.01
"""Seconds between two slices: building takes at most a fifth of the time. 65,536 entries take 0.7 s."""
SMALL_FLEET, FIRST_SLICES = 4, 3
"""If no backend of the old table is usable and the new one has at most `SMALL_FLEET` backends, `FIRST_SLICES` slices
are built at once. This completes the table, so keys go to their final backend from the first request on."""
COARSE: Final = 256
"""Maximum number of backends in a coarse table."""


class TablePolicy(Policy):
    """Looks keys up in a table of the backends. `live` has the backends that may be picked, with their weights."""

    def __init__(self, load: Load) -> None:
        super().__init__(load)
        self.live: dict[Backend, float] = {}
        self.total = 0.0
        """Sum of the weights in `live`."""
        self.in_table: dict[Backend, float] = {}
        """Backends in the current table, with the weights that it was built for."""
        self._members: Candidates = ()
        self._refreshed_at = 0.0
        self._goal: dict[Backend, float] = {}
        self._building: Iterator[None] | None = None
        self._slice_at = 0.0

    @abstractmethod
    def build(self, weights: dict[Backend, float], max_entries: int) -> Iterator[None]:
        """Build a table of about `max_entries` entries. Yield after each slice, and install the table at the end."""

    @property
    def building(self) -> bool:
        """Whether the current table lacks backends or has outdated weights."""
        return self._building is not None

    @property
    @abstractmethod
    def max_entries(self) -> int:
        """Maximum number of entries of a complete table."""

    def refresh(self, candidates: Candidates, now: float) -> None:
        """Update `live`, and build the next slice if a table is being built."""
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
        if not finished(building, 1 if serves or len(self._goal) > SMALL_FLEET else FIRST_SLICES):
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
    """Advance the iterator by `count` steps. Return True if it has ended."""
    for _ in steps:
        count -= 1
        if not count:
            return False
    return True


def run(steps: Iterable[None]) -> None:
    """Run the iterator to its end."""
    for _ in steps:
        pass
