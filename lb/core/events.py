"""What the core reports while it runs: small immutable facts, each with its time (`at`, monotonic seconds).

The admin event stream, the log and the metrics are all fed from these, so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .backend import State


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to `backend` (its id) at `at`."""

    at: float
    backend: str


@dataclass(frozen=True, slots=True)
class Added(Event):
    """Discovery or the operator added the backend."""

    address: str


@dataclass(frozen=True, slots=True)
class Removed(Event):
    """The backend left the registry: drained, nothing in flight any more."""


@dataclass(frozen=True, slots=True)
class Transition(Event):
    """The backend moved in the health machine."""

    old: State
    new: State
    reason: str


@dataclass(frozen=True, slots=True)
class Probed(Event):
    """A probe ended. `failure` is empty for a pass."""

    passed: bool
    took: float
    failure: str = ""


@dataclass(frozen=True, slots=True)
class ProbeWanted(Event):
    """Traffic gives a reason not to wait for the next interval: probe now."""

    reason: str


@dataclass(frozen=True, slots=True)
class Suspected(Event):
    """Requests stall on the backend, or its health check says no; it is avoided until it answers or a probe passes."""

    waited: float
    threshold: float
    reason: str = ""
    firm: bool = False
    """Only a passed probe ends it: answers to requests do not prove the contrary."""


@dataclass(frozen=True, slots=True)
class Cleared(Event):
    """A suspicion ended without an ejection."""

    reason: str


@dataclass(frozen=True, slots=True)
class AttemptFailed(Event):
    """One try of a request failed on the backend; `retried` tells whether another follows."""

    failure: str
    method: str
    retried: bool
    reason: str
    """Why it is, or is not, retried: `idempotent`, `not sent`, `budget`, `not idempotent`, `responding`, …"""


@dataclass(frozen=True, slots=True)
class Hedged(Event):
    """A stalled request was also sent to `backend`."""

    stalled_on: str


@dataclass(frozen=True, slots=True)
class Held(Event):
    """Discovery would take the backend away together with most of those that pass their checks; it stays."""

    reason: str


@dataclass(frozen=True, slots=True)
class Released(Event):
    """The backend is no longer held: discovery decides about it again."""

    reason: str


@dataclass(frozen=True, slots=True)
class PanicChanged(Event):
    """No backend is usable any more (`active`), or one is again. `backend` is empty."""

    active: bool


Emit = Callable[[Event], None]
"""Where the core puts its events; it must not block."""
