"""Events of the core: small immutable objects, each with its time (`at`, monotonic seconds).

The admin event stream, the log and the metrics are all fed from these events, so they cannot contradict each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .backend import State


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to `backend` (its id) at the time `at`."""

    at: float
    backend: str


@dataclass(frozen=True, slots=True)
class Added(Event):
    """Discovery or the operator added the backend."""

    address: str


@dataclass(frozen=True, slots=True)
class Removed(Event):
    """The backend left the registry, because it was removed and nothing is in flight on it any more."""


@dataclass(frozen=True, slots=True)
class Transition(Event):
    """The backend changed its state in the health machine."""

    old: State
    new: State
    reason: str


@dataclass(frozen=True, slots=True)
class Probed(Event):
    """A probe ended. `took` is in seconds; `failure` is empty if it passed."""

    passed: bool
    took: float
    failure: str = ""


@dataclass(frozen=True, slots=True)
class ProbeWanted(Event):
    """Traffic has requested a probe now instead of after the interval."""

    reason: str


@dataclass(frozen=True, slots=True)
class Suspected(Event):
    """Requests stall on the backend, or its health check fails. It is avoided until it responds or passes a probe."""

    waited: float
    threshold: float
    reason: str = ""
    firm: bool = False
    """Whether only a passed probe ends the suspicion. If not, a response to a request also ends it."""


@dataclass(frozen=True, slots=True)
class Cleared(Event):
    """A suspicion ended without an ejection."""

    reason: str


@dataclass(frozen=True, slots=True)
class AttemptFailed(Event):
    """An attempt failed on the backend. `retried` tells whether another attempt follows."""

    failure: str
    method: str
    retried: bool
    reason: str
    """Why the request is or is not retried: `idempotent`, `not sent`, `budget`, `not idempotent`, `responding`, …"""


@dataclass(frozen=True, slots=True)
class Hedged(Event):
    """A request that stalls on `stalled_on` was also sent to `backend`."""

    stalled_on: str


@dataclass(frozen=True, slots=True)
class Held(Event):
    """The backend stays in rotation although discovery removed it together with most passing backends."""

    reason: str


@dataclass(frozen=True, slots=True)
class Released(Event):
    """The backend is no longer held, so discovery decides about it again."""

    reason: str


@dataclass(frozen=True, slots=True)
class PanicChanged(Event):
    """Panic began (`active`: no backend is usable) or ended. `backend` is empty."""

    active: bool


Emit = Callable[[Event], None]
"""Function that receives the events of the core. It must not block."""
