"""The configuration that every balancer gets, independent of its syntax. Times are in seconds.

The defaults are those of Reroute (docs/configuration.md), so `matched` means: as close to Reroute as possible.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from ..errors import BadArgumentsError

# Both become part of configuration languages, so they may contain only characters that no language treats specially.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_PATH = re.compile(r"/[A-Za-z0-9_./~-]*")


class Level(StrEnum):
    """How closely a balancer's configuration follows Reroute's."""

    DEFAULT = "default"
    """As shipped, plus the minimum to work: addresses, and health checks if a path is enough to turn them on."""
    MATCHED = "matched"
    """As close to Reroute's settings as the balancer can express."""
    TUNED = "tuned"
    """`matched`, plus what the balancer's own documentation recommends for fast failover."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host (name or IPv4 address) and a port."""

    host: str
    port: int

    def __post_init__(self) -> None:
        """Raise `BadArgumentsError` if host or port is invalid."""
        _expect(_NAME.fullmatch(self.host) is not None, f"{self.host!r} is not a host name or IPv4 address")
        _expect(1 <= self.port <= 65535, f"{self.port} is not a port number")

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Backend:
    """One replica that requests are forwarded to."""

    id: str
    address: Address

    def __post_init__(self) -> None:
        """Raise `BadArgumentsError` if the id contains characters that a configuration file treats specially."""
        _expect(_NAME.fullmatch(self.id) is not None, f"{self.id!r} is not a backend id such as api-1")


@dataclass(frozen=True, slots=True)
class Health:
    """Settings of active health checks."""

    path: str = "/health"
    interval_s: float = 0.5
    fast_interval_s: float = 0.1
    """Interval between checks while the state of a backend is about to change."""
    timeout_s: float = 0.4
    fall: int = 2
    rise: int = 2

    def __post_init__(self) -> None:
        """Raise `BadArgumentsError` if the path contains characters that a configuration file treats specially."""
        _expect(_PATH.fullmatch(self.path) is not None, f"{self.path!r} is not a path such as /health")


@dataclass(frozen=True, slots=True)
class Retry:
    """Settings of retries and time-outs."""

    max_attempts: int = 3
    """Attempts per request, including the first."""
    budget_percent: float = 20.0
    budget_min: int = 3
    """Retries per second that are always allowed."""
    budget_window_s: float = 10.0
    """Period over which the budget is counted: long, so that many requests that fail together can be retried."""
    per_try_timeout_s: float = 1.0
    total_timeout_s: float = 5.0
    connect_timeout_s: float = 0.25

    @property
    def burst(self) -> int:
        """Number of retries that are always allowed at one moment."""
        return round(self.budget_min * self.budget_window_s)

    @property
    def retries(self) -> int:
        """Number of attempts after the first."""
        return self.max_attempts - 1


@dataclass(frozen=True, slots=True)
class Passive:
    """Settings of passive health checks, which count failures of live requests."""

    consecutive_failures: int = 5
    """Failed attempts in a row, including 5xx responses, that eject a backend."""
    base_ejection_s: float = 3.0


@dataclass(frozen=True, slots=True)
class ProxySpec:
    """Everything that an adapter needs to render a configuration."""

    listen: Address
    admin: Address
    """Address of the admin port, for balancers that have one."""
    backends: tuple[Backend, ...]
    level: Level = Level.MATCHED
    policy: str = "round_robin"
    health: Health = field(default_factory=Health)
    retry: Retry = field(default_factory=Retry)
    passive: Passive = field(default_factory=Passive)
    threads: int = 1
    """Threads or worker processes that serve traffic."""

    def __post_init__(self) -> None:
        """Raise `BadArgumentsError` if there is no backend, or two backends share an id."""
        ids = [backend.id for backend in self.backends]
        _expect(bool(ids), "a balancer needs at least one backend")
        _expect(len(set(ids)) == len(ids), f"backend ids must differ: {', '.join(ids)}")

    @property
    def ours(self) -> bool:
        """Whether the configuration follows Reroute's settings: every level except `default`."""
        return self.level is not Level.DEFAULT

    @property
    def tuned(self) -> bool:
        """Whether the recommendations of the balancer's documentation are added."""
        return self.level is Level.TUNED


def _expect(holds: bool, problem: str) -> None:
    if not holds:
        raise BadArgumentsError(problem)
