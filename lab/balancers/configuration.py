"""A balancer's configuration as its operator wrote it, read into the parts that decide failover.

Every part keeps its place in the user's files, so that a change or a finding can name file and line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """Characters `start` (included) to `end` (excluded) of a file's text."""

    path: Path
    line: int
    """Number of the line with the first character, counted from 1."""
    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.path.name}:{self.line}"


@dataclass(frozen=True, slots=True)
class Value(Generic[T]):
    """A setting's value, and where it comes from."""

    value: T
    place: Place | None = None
    """Line that sets it; None if it is the program's default."""


class Failure(StrEnum):
    """How an attempt to send a request to a server fails."""

    CONNECT = "connect"
    """No connection: refused, or not established in time."""
    CLOSED = "closed"
    """The server closed the connection before a response came."""
    TIMEOUT = "timeout"
    """No response in time."""
    ERROR = "error"
    """A response with status 500 to 599."""


class CheckKind(StrEnum):
    """What an active health check does."""

    NONE = "none"
    TCP = "tcp"
    """Open a connection."""
    TLS = "tls"
    """Open a connection and complete the TLS handshake."""
    HTTP = "http"
    """Send a request and judge the status of the response."""


@dataclass(frozen=True, slots=True)
class Checks:
    """Active health checks. Times are in seconds."""

    kind: Value[CheckKind]
    interval_s: Value[float]
    """From the start of a check to the start of the next one while the server is well."""
    doubt_interval_s: Value[float]
    """As `interval_s`, after a check whose result disagrees with the server's state."""
    down_interval_s: Value[float]
    """As `interval_s`, while the server is down."""
    timeout_s: Value[float]
    """Longest duration of one check, connecting included."""
    fall: Value[int]
    """Number of failed checks in a row after which the server gets no requests."""
    rise: Value[int]
    """Number of passed checks in a row after which a failed server gets requests again."""
    jitter: Value[float] = field(default_factory=lambda: Value(0.0))
    """Largest extension of an interval, as a fraction of it."""
    path: Value[str] | None = None
    connect_timeout_s: Value[float] | None = None
    """The part of `timeout_s` that is for connecting only; None if one limit covers connecting and response."""
    handshakes: bool = False
    """Whether connecting includes a TLS handshake, which a frozen server does not complete."""


@dataclass(frozen=True, slots=True)
class Passive:
    """Detection of failed servers from live traffic (outlier detection, passive checks). Times are in seconds."""

    failures: Value[int]
    """Number of failures in a row, or within `window_s`, after which the server gets no requests."""
    counted: Value[frozenset[Failure]]
    ejection_s: Value[float]
    """How long the server then gets no requests."""
    window_s: Value[float] | None = None
    """The period in which `failures` are counted; None if they must come in a row."""
    evaluated_every_s: Value[float] | None = None
    """The program acts on the count only at these intervals; None if at once."""
    returns_every_s: Value[float] | None = None
    """The program notices the end of `ejection_s` only at these intervals; None if at once."""
    most_ejected: Value[float] | None = None
    """Largest fraction of the servers that may be without requests at a time."""
    returns_by_checks: bool = False
    """Whether the server gets requests again when its active checks pass, not after `ejection_s`."""


@dataclass(frozen=True, slots=True)
class Retries:
    """Repetition of a request whose attempt failed. Times are in seconds."""

    attempts: Value[int]
    """Largest number of attempts, the first one included."""
    on: Value[frozenset[Failure]]
    non_idempotent_on: Value[frozenset[Failure]]
    """The failures after which a POST or PATCH is repeated, too."""
    other_server_from: Value[int | None]
    """Number of the first attempt that goes to another server (2: at once); None: never."""
    total_s: Value[float | None] = field(default_factory=lambda: Value(None))
    """No new attempt begins later than this after the first one began; None: no limit."""
    pause_s: Value[float] = field(default_factory=lambda: Value(0.0))
    """Wait before another attempt on the same server."""
    most_concurrent: Value[int] | None = None
    """Retries of this pool that may be in progress at the same time, over all requests; further ones do not happen."""


class Policy(StrEnum):
    """What decides which server of a pool gets a request."""

    TURNS = "turns"
    """Each server in turn."""
    RANDOM = "random"
    KEY = "key"
    """A hash of a property of the request or its client."""
    FEWEST = "fewest"
    """The number of requests that are pending at each server; the fewest win."""
    FIRST = "first"
    """The first one that is usable."""
    OTHER = "other"
    """Something else, such as measured response times."""


@dataclass(frozen=True, slots=True)
class Balancing:
    """The policy that selects a server."""

    policy: Policy = Policy.TURNS
    draws: int = 0
    """For `FEWEST`: number of servers that are drawn at random and compared; 0: all servers are compared."""
    repeats: bool = False
    """For `FEWEST`: whether one server may be drawn several times for one request."""
    counters: int = 1
    """For `FEWEST`: number of processes of the balancer. Each counts only the pending requests that it sent itself."""
    ties_by_chance: bool = False
    """For `FEWEST`: whether chance decides among servers with equally many pending requests. False: they take turns."""

    @property
    def by_chance(self) -> bool:
        """Whether it depends on chance how soon a server gets its next request."""
        return self.policy in {Policy.RANDOM, Policy.KEY} or self.draws > 0 or self.ties_by_chance


@dataclass(frozen=True, slots=True)
class FailoverSettings:
    """All settings of one pool that decide what a client sees when a server fails. Times are in seconds."""

    connect_timeout_s: Value[float | None]
    """None: the operating system's limit."""
    response_timeout_s: Value[float | None]
    """Longest wait for a response, or between two pieces of one; None: no limit."""
    retries: Retries
    checks: Checks | None = None
    """None if the program has no active checks at all."""
    passive: Passive | None = None
    panic_below: Value[float] | None = None
    """If a smaller fraction of the servers is usable, the program uses all of them, failed ones included."""
    slow_start_s: Value[float] | None = None
    closes_sessions_when_down: Value[bool] | None = None
    idle_timeout_s: Value[float | None] | None = None
    """How long an idle connection to a server is kept for the next request; None as value: for ever."""
    balancing: Value[Balancing] = field(default_factory=lambda: Value(Balancing()))


@dataclass(frozen=True, slots=True)
class Server:
    """One member of a pool."""

    name: str
    """As the file names it; its address where it has no name."""
    address: str
    """As the file writes it, such as `10.0.0.1:8080`."""
    place: Place


@dataclass(frozen=True, slots=True)
class Pool:
    """Servers among which requests are balanced: HAProxy `backend`, nginx `upstream`, Envoy `cluster`, Traefik
    `service`, Caddy `reverse_proxy`."""

    name: str
    place: Place
    servers: tuple[Server, ...]
    settings: FailoverSettings
    pinned: Value[str] | None = None
    """The policy in the file's words, if it would send all requests of the lab, or nearly all, to one server: they have
    one client address, one Host header, no cookies, and few paths."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Addresses on which the program accepts requests: HAProxy `frontend`, nginx `server`, Envoy `listener`, Traefik
    `entryPoint` and router, Caddy site."""

    name: str
    place: Place
    addresses: tuple[str, ...]
    tls: bool
    """Whether all of the addresses expect TLS."""
    pools: tuple[str, ...]
    """Names of the pools that its requests can reach, the default one first."""
    host: str = ""
    """Host header that a request needs to reach the first pool; empty: any."""
    path: str = "/"
    """Prefix of the path that a request needs to reach the first pool."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A directive that the reader does not know, and that may decide failover."""

    text: str
    """The directive, at most one line."""
    place: Place


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that was read."""

    program: str
    """Name of the adapter."""
    texts: Mapping[Path, str]
    """All files, the main one first; those that an include named are among them."""
    listeners: tuple[Listener, ...]
    pools: tuple[Pool, ...]
    unknown: tuple[Unknown, ...] = ()


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of the user's text that makes the program run in the lab."""

    place: Place
    text: str
    """Replacement. Placeholders such as `@LISTEN@` and `@BACKEND_1_PORT@` stand for the lab's values."""
    reason: str
    """Why the lab changes this, such as `the lab's backend in place of 10.0.0.1:80`."""
