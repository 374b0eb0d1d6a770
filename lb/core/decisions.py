"""Why a request went where it went: the steps of each exchange, kept as small objects and read only when asked for.

The usual request takes one step, `Picked`. Everything else about it is in the shell's record of the request.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

from .backend import Backend, State

MAX_LOADS: Final = 16
"""Up to so many candidates, what each of them held is noted at every pick: 20 ns a candidate."""


MAX_BACKENDS: Final = 100
"""Of a larger fleet only so many are pictured, so that its pictures are cheap to take and to keep."""


class FleetSnapshot(NamedTuple):
    """How all backends stood, until one of them moved: one snapshot serves every pick in between."""

    usable: tuple[Backend, ...]
    states: tuple[tuple[str, State, bool], ...]
    """(id, state, suspected) of the first `MAX_BACKENDS`, usable or not."""
    known: int
    """How many backends there are."""


@dataclass(slots=True, init=False)
class Picked:
    """An attempt starts on `backend`."""

    at: float
    backend: Backend
    why: str
    """`policy`, `pinned`, `retry`, `hedge`, `queued` (its turn came)."""
    policy: str
    snapshot: FleetSnapshot
    loads: tuple[int, ...]
    """Attempts in flight on each usable backend before this one; empty where there are many."""

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
    """The attempt on `backend` failed, and whether another one follows."""

    at: float
    backend: Backend
    failure: str
    retried: bool
    reason: str


class Cancelled(NamedTuple):
    """The attempt on `backend` ended through no fault of its own: its twin won, or the client left."""

    at: float
    backend: Backend


class Waited(NamedTuple):
    """Every usable backend was at its cap: the exchange queues."""

    at: float


class Refused(NamedTuple):
    """No attempt was possible (any more)."""

    at: float
    status: int
    reason: str


Step = Picked | Failed | Cancelled | Waited | Refused


def take_snapshot(usable: tuple[Backend, ...], backends: Collection[Backend]) -> FleetSnapshot:
    """How they stand now."""
    shown = islice(backends, MAX_BACKENDS)
    return FleetSnapshot(usable, tuple((one.id, one.state, one.suspected) for one in shown), len(backends))


def loads_of(candidates: tuple[Backend, ...]) -> tuple[int, ...]:
    """What each candidate holds, where that is few enough to be looked at by a person."""
    return tuple([backend.in_flight for backend in candidates]) if len(candidates) <= MAX_LOADS else ()
