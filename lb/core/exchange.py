"""One client request on its way through the balancer, and each try of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .backend import Backend
    from .decisions import Step

IDEMPOTENT_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
"""RFC 9110 §9.2.2. TRACE is refused before it gets here; it is listed because the RFC lists it."""

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""RFC 9110 §9.2.1: executing one of them twice has no effect that its client could have asked for."""


class Failure(StrEnum):
    """How an attempt failed, seen from the balancer."""

    REFUSED = "refused"
    """The connection was refused or unreachable: nothing was sent."""
    EXHAUSTED = "exhausted"
    """The balancer itself has no socket left to connect with: no backend is to blame, and no other would do."""
    CONNECT_TIMEOUT = "connect_timeout"
    RESET = "reset"
    """The connection ended before a complete response head."""
    TIMEOUT = "timeout"
    """Sent, and no response head within the per-try time-out."""
    BAD_RESPONSE = "bad_response"
    """The backend broke HTTP: it has executed the request, and its answer cannot be passed on."""
    GATEWAY = "gateway"
    """The backend itself answered 502, 503 or 504."""
    TRUNCATED = "truncated"
    """The connection ended inside the response body: too late to retry, and the client must see the cut."""


@dataclass(slots=True, eq=False, init=False)
class Exchange:
    """One client request: what the core must know of it, and how far it has come."""

    method: str
    idempotent: bool
    """By its method, or because the client sent an `Idempotency-Key`."""
    started: float
    deadline: float
    """Monotonic seconds; no attempt starts after it."""
    hash_key: bytes
    """What hash policies pick by (client address, header, cookie or path); empty when unused."""
    pinned_to: str
    """Id of the backend that its sticky cookie names; empty without one. Gone to first, if that makes sense."""
    replayable: bool
    """False once no other attempt may follow: request body bytes are gone that it would need again, or a backend has
    given an answer that cannot be passed on."""
    response_begun: bool
    """An answer has response_begun, be it with one byte of a status line: a backend has executed the request."""
    accepts_unreliable: bool
    """It must not be repeated, and only a unreliable backend takes it."""
    responding: bool
    """True once a response byte went to the client: never retried after."""
    tried: list[Backend]
    """Backends tried so far, in order; never the same twice."""
    sent: int
    """Attempts of which at least one byte was written."""
    attempts: list[Attempt]
    """Attempts under way: one, or two while a hedge runs."""
    steps: list[Step]
    """What was decided about it, in order; empty where nobody may ask."""
    won: bool
    """The answer of an attempt goes to the client: from then on nothing is retried and a twin is too late. Which
    attempt that is would make a cycle of every exchange, for the garbage collector to find."""

    def __init__(
        self, method: str, idempotent: bool, started: float, deadline: float, hash_key: bytes = b"", pinned_to: str = ""
    ) -> None:
        self.method = method
        self.idempotent = idempotent
        self.started = started
        self.deadline = deadline
        self.hash_key = hash_key
        self.pinned_to = pinned_to
        self.replayable = True
        self.response_begun = False
        self.accepts_unreliable = False
        self.responding = False
        self.tried = []
        self.sent = 0
        self.attempts = []
        self.steps = []
        self.won = False


@dataclass(slots=True, eq=False, init=False)
class Attempt:
    """One try of an exchange on one backend."""

    exchange: Exchange
    backend: Backend
    started: float
    sent: float | None
    """When the request was written to the backend: its first byte, then, once it is complete, its last. None while
    connecting: no backend can have executed it."""
    answered: float | None
    """When the response head was complete."""
    is_hedge: bool

    def __init__(self, exchange: Exchange, backend: Backend, started: float, *, is_hedge: bool = False) -> None:
        self.exchange = exchange
        self.backend = backend
        self.started = started
        self.sent = None
        self.answered = None
        self.is_hedge = is_hedge
