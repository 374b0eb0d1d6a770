"""The configuration that every balancer is asked for, independent of its syntax. Times are in seconds.

The defaults are Reroute's own (docs/configuration.md), so that `matched` means: as near to Reroute as it can.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from ..errors import BadArgumentsError

# Both end up in configuration languages with quoting rules of their own: nothing that any of them treats as special.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_PATH = re.compile(r"/[A-Za-z0-9_./~-]*")


class Level(StrEnum):
    """How much of a balancer's configuration is ours."""

    DEFAULT = "default"
    """As shipped, plus the minimum to work: addresses, and health checks where a path alone turns them on."""
    MATCHED = "matched"
    """As near to Reroute's settings as it can express."""
    TUNED = "tuned"
    """`matched`, and what its own documentation recommends for fast failover."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host (name or IPv4 address) and a port."""

    host: str
    port: int

    def __post_init__(self) -> None:
        """Raises `BadArgumentsError` if it is no address."""
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
        """Raises `BadArgumentsError` if the id could not stand in a configuration file."""
        _expect(_NAME.fullmatch(self.id) is not None, f"{self.id!r} is not a backend id such as api-1")


@dataclass(frozen=True, slots=True)
class Health:
    """Active checks."""

    path: str = "/health"
    interval_s: float = 0.5
    fast_interval_s: float = 0.1
    """While the verdict is in doubt."""
    timeout_s: float = 0.4
    fall: int = 2
    rise: int = 2

    def __post_init__(self) -> None:
        """Raises `BadArgumentsError` if the path could not stand in a configuration file."""
        _expect(_PATH.fullmatch(self.path) is not None, f"{self.path!r} is not a path such as /health")


@dataclass(frozen=True, slots=True)
class Retry:
    """What happens to a request whose attempt failed."""

    max_attempts: int = 3
    """The first one included."""
    budget_percent: float = 20.0
    budget_min: int = 3
    """Retries a second that are always allowed."""
    budget_window_s: float = 10.0
    """Over which the budget is counted, so that what fails at once may be repeated at once."""
    per_try_timeout_s: float = 1.0
    total_timeout_s: float = 5.0
    connect_timeout_s: float = 0.25

    @property
    def burst(self) -> int:
        """Retries at one moment that are always allowed."""
        return round(self.budget_min * self.budget_window_s)

    @property
    def retries(self) -> int:
        """Attempts after the first."""
        return self.max_attempts - 1


@dataclass(frozen=True, slots=True)
class Passive:
    """What live requests say of a backend between two checks."""

    consecutive_failures: int = 5
    """Failed attempts in a row, 5xx answers included, that take it out."""
    base_ejection_s: float = 3.0


@dataclass(frozen=True, slots=True)
class ProxySpec:
    """One balancer to render."""

    listen: Address
    admin: Address
    """For those that have an admin port."""
    backends: tuple[Backend, ...]
    level: Level = Level.MATCHED
    policy: str = "round_robin"
    health: Health = field(default_factory=Health)
    retry: Retry = field(default_factory=Retry)
    passive: Passive = field(default_factory=Passive)
    threads: int = 1
    """Threads or worker processes that serve traffic."""

    def __post_init__(self) -> None:
        """Raises `BadArgumentsError` if there is nothing to balance, or two backends share an id."""
        ids = [backend.id for backend in self.backends]
        _expect(bool(ids), "a balancer needs at least one backend")
        _expect(len(set(ids)) == len(ids), f"backend ids must differ: {', '.join(ids)}")

    @property
    def ours(self) -> bool:
        """Whether Reroute's settings are asked for: every level but `default`."""
        return self.level is not Level.DEFAULT

    @property
    def tuned(self) -> bool:
        """Whether the documentation's advice is asked for on top."""
        return self.level is Level.TUNED


def _expect(holds: bool, problem: str) -> None:
    if not holds:
        raise BadArgumentsError(problem)
