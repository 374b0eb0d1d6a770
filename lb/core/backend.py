"""One backend as the balancer sees it: address, health state and current load."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .exchange import Attempt


class State(StrEnum):
    """Health state of a backend. The transitions are the table in `lb.core.health`."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"
    EJECTED = "ejected"
    DRAIN = "drain"
    MAINT = "maint"


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The last probe: its end (monotonic seconds), its duration in seconds, and its failure (empty if it passed)."""

    at: float
    took: float
    failure: str = ""

    @property
    def passed(self) -> bool:
        """Return whether the probe passed."""
        return not self.failure


@dataclass(slots=True, eq=False)
class Backend:
    """One backend. Compared by identity: a backend that is removed and added again at the same address is a new one."""

    id: str
    host: str
    port: int
    weight: float = 1.0
    """Configured weight. Policies use `effective_weight`."""
    name: str = ""
    """Name that the backend gives in its health report; its id until then."""
    state: State = State.UNKNOWN
    since: float = 0.0
    """When the backend entered `state`, in monotonic seconds."""
    effective_weight: float = 1.0
    """Weight after slow start and load reports. The registry writes it; policies read it."""
    load_factor: float = 1.0
    """Factor on the weight from load reports. It is 1 (neutral) if reports are missing or stale."""
    suspected: bool = False
    """Whether requests stall on the backend. Until a response or passed probe, it is picked only as a last resort."""
    unreliable: bool = False
    """Whether a connection to the backend broke and no probe or request has succeeded since. Non-idempotent requests go
    to other backends if any accepts them."""
    in_flight: int = 0
    """Number of attempts that have started and not ended."""
    waiting: dict[Attempt, float] = field(default_factory=dict)
    """When each attempt without a first response byte was sent, oldest first."""
    last_probe: ProbeResult | None = None
    latency_mean: float = 0.0
    latency_deviation: float = 0.0
    """Smoothed time to first byte (`latency_mean`) and its mean deviation, in seconds (RFC 6298); initially 0."""

    def __post_init__(self) -> None:
        self.name = self.name or self.id
        self.effective_weight = self.weight
