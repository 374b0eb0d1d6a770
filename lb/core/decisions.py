"""The decisions about each exchange, which explain why a request went to its backend.

They are small objects and formatted only when they are read. Most requests have one decision, `Picked`. All other facts
about a request are in the record that the shell keeps.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

from .backend import Backend, State

MAX_LOADS: Final = 16
"""Maximum number of candidates whose loads are recorded at each pick, which takes 20 ns per candidate."""


MAX_BACKENDS: Final = 100
"""Maximum number of backends in a snapshot, so that it is cheap to take and to keep."""


class FleetSnapshot(NamedTuple):
    """States of all backends at one moment. All picks share one snapshot until a backend changes."""

    usable: tuple[Backend, ...]
    states: tuple[tuple[str, State, bool], ...]
    """(id, state, suspected) of the first `MAX_BACKENDS` backends, usable or not."""
    known: int
    """Total number of backends."""


@dataclass(slots=True, init=False)
class Picked:
    """An attempt starts on `backend`."""

    at: float
    backend: Backend
    why: str
    """`policy`, `pinned`, `retry`, `hedge` or `queued` (the exchange had waited in the queue)."""
    policy: str
    snapshot: FleetSnapshot
    loads: tuple[int, ...]
    """Attempts in flight on each usable backend before this one; empty for a large fleet."""

    def __init__(
        self, at: float, backend: Backend, why: str, policy: str, snapshot: FleetSnapshot, loads: tuple[int, ...]
    ) -> None:
        self.at = at
        self.backend = backend
        self.why = why
        self.policy = policy
        self.snapshot = snapshot
        self.loads = loads


class Failed(NamedTuple):
    """The attempt on `backend` failed. `retried` tells whether another attempt follows, and `reason` why."""

    at: float
    backend: Backend
    failure: str
    retried: bool
    reason: str


class Cancelled(NamedTuple):
    """The attempt on `backend` was cancelled because the other attempt won or the client left."""

    at: float
    backend: Backend


class Waited(NamedTuple):
    """The exchange was queued because every usable backend was at its cap."""

    at: float


class Refused(NamedTuple):
    """No attempt, or no further one, was possible."""

    at: float
    status: int
    reason: str


Step = Picked | Failed | Cancelled | Waited | Refused


def take_snapshot(usable: tuple[Backend, ...], backends: Collection[Backend]) -> FleetSnapshot:
    """Return the current states of the backends."""
    shown = islice(backends, MAX_BACKENDS)
    return FleetSnapshot(usable, tuple((one.id, one.state, one.suspected) for one in shown), len(backends))


def loads_of(candidates: tuple[Backend, ...]) -> tuple[int, ...]:
    """Return the attempts in flight on each candidate; an empty tuple for more than `MAX_LOADS` candidates."""
    return tuple([backend.in_flight for backend in candidates]) if len(candidates) <= MAX_LOADS else ()
