"""What a model predicts for one kind of fault, with every term that it is made of. Times are in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..balancers.configuration import Place


class Fault(StrEnum):
    """How a server fails. The names are those of the lab's standard scenarios."""

    KILL = "kill"
    """The process ends; its host refuses connections."""
    PAUSE = "pause"
    """The process freezes: connections are accepted, and nothing is answered."""
    REFUSE = "refuse"
    """Open connections are reset, new ones are refused."""
    BLACKHOLE = "blackhole"
    """Packets vanish in both directions."""
    ERROR = "error"
    """Every request, health checks included, is answered with status 500."""
    DRAIN = "drain"
    """Health checks fail while requests succeed; then the process ends."""


SILENT = frozenset({Fault.PAUSE, Fault.BLACKHOLE})
"""Faults that a balancer can notice only by a time-out."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the configuration does not say."""

    servers: int
    rate_per_s: float = 200.0
    """Requests per second to the whole pool."""
    post_share: float = 0.1
    """Fraction of the requests that are not idempotent."""
    outage_s: float = 60.0
    """Duration of the fault."""
    drain_s: float = 5.0
    """How long a server that says it is leaving still answers requests."""
    client_timeout_s: float = 10.0
    """A client that waits for longer gives up."""
    slow_s: float = 0.25
    """A good response that comes later than this is slow."""
    response_s: float = 0.25
    """Longest time that a healthy server takes for a response. It matters if the policy counts pending requests."""
    relayed: bool = False
    """Whether the servers are behind the relays of a local lab, which accept connections even during a blackhole."""

    @property
    def per_server(self) -> float:
        """Requests per second to one server."""
        return self.rate_per_s / self.servers


@dataclass(frozen=True, slots=True)
class Input:
    """A setting, or an assumption, that a prediction depends on."""

    symbol: str
    meaning: str
    value: float
    source: str
    """`FILE:LINE`, `default of PROGRAM (address of its documentation)`, or what assumes it."""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """One summand of a duration."""

    text: str
    """Formula in the symbols of its inputs, such as `(F−1)·f`."""
    seconds: float
    inputs: tuple[Input, ...]


@dataclass(frozen=True, slots=True)
class Duration:
    """A sum of terms."""

    terms: tuple[Term, ...] = ()

    @property
    def seconds(self) -> float:
        """Value of the sum, rounded to the microsecond to drop floating-point noise."""
        return round(sum(term.seconds for term in self.terms), 6)

    @property
    def formula(self) -> str:
        """The sum in symbols; `0` without terms."""
        return " + ".join(term.text for term in self.terms) or "0"

    @property
    def inputs(self) -> tuple[Input, ...]:
        """All inputs, each once, in order of first use."""
        return tuple({each.symbol: each for term in self.terms for each in term.inputs}.values())

    def plus(self, *terms: Term) -> Duration:
        """Return the sum with more terms."""
        return Duration((*self.terms, *terms))


@dataclass(frozen=True, slots=True)
class Estimate:
    """Worst case and expected value of a duration. None: it has no end."""

    worst: Duration | None
    expected: Duration | None
    by: str
    """What ends it (`health checks`, `live traffic`), or why nothing does."""
    mostly: str = ""
    """Why it is mostly shorter than the worst case, if that is not the phase of the checks: a part of a sentence."""


class Result(StrEnum):
    """What a client sees of a request that was sent to the failed server first."""

    OK = "ok"
    SLOW = "slow"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happens, in the worst case, to a request that was sent to the failed server first."""

    result: Result
    wait: Duration
    """Longest time until the client has its response, an error included."""
    failed_share: float
    """Fraction of such requests that fail; below 1 if a retry usually finds another server."""
    why: str


@dataclass(frozen=True, slots=True)
class Risk:
    """Number of requests, while the fault lasts, in the worst case of the phase of the checks."""

    get_failed: int
    get_slow: int
    post_failed: int
    post_slow: int
    sent: int
    """Requests that go to the server while it cannot serve them, whatever becomes of them: an upper limit of all four.
    The four are shares of it, and chance may make one of them larger at the cost of another."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model predicts for one kind of fault."""

    fault: Fault
    notice: Estimate
    """From the fault until no new request goes to the server."""
    visible: Estimate
    """From the fault until the last request that a client sees fail or be slow; in a drain, the last one that goes to
    the server. Never longer than the fault, so both values are finite."""
    get: Outcome
    post: Outcome
    risk: Risk
    longest_wait: Duration
    back: Estimate
    """From the end of the fault until the server gets requests again."""
    notes: tuple[str, ...] = ()
