"""One backend replica as the balancer sees it: identity, standing, live load."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .exchange import Attempt


class State(StrEnum):
    """Where a backend stands; the transitions are the table in `lb.core.health`."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"
    EJECTED = "ejected"
    DRAIN = "drain"
    MAINT = "maint"


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The last probe: when it ended (monotonic seconds), how long it took, and how it failed (empty: passed)."""

    at: float
    took: float
    failure: str = ""

    @property
    def passed(self) -> bool:
        """Whether the backend counts as healthy by this probe alone."""
        return not self.failure


@dataclass(slots=True, eq=False)
class Backend:
    """One replica. Compared by identity: a backend that comes back at the same address is a new one."""

    id: str
    host: str
    port: int
    weight: float = 1.0
    """As configured; policies use `effective_weight`."""
    name: str = ""
    """What the replica calls itself in its health report; the id until it has spoken."""
    state: State = State.UNKNOWN
    since: float = 0.0
    """When `state` was entered, monotonic seconds."""
    effective_weight: float = 1.0
    """The weight after slow start and load reports; written by the registry, read by policies."""
    load_factor: float = 1.0
    """What its load reports make of its weight; 1 is neutral, and what a missing or stale report counts as."""
    suspected: bool = False
    """Requests stall on it: not picked while another usable backend exists, until it answers."""
    unreliable: bool = False
    """A connection to it broke, and nothing good came since: what must not be repeated goes elsewhere, if anybody else
    takes it."""
    in_flight: int = 0
    """Attempts started and not ended."""
    waiting: dict[Attempt, float] = field(default_factory=dict)
    """Attempts sent and without a first byte → when they were sent, oldest first."""
    last_probe: ProbeResult | None = None
    latency_mean: float = 0.0
    latency_deviation: float = 0.0
    """Smoothed time to first byte and its mean deviation, seconds (RFC 6298 estimators); 0 before the first."""

    def __post_init__(self) -> None:
        self.name = self.name or self.id
        self.effective_weight = self.weight
