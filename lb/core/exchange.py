"""One client request on its way through the balancer (`Exchange`), and its attempts on backends (`Attempt`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .backend import Backend
    from .decisions import Step

IDEMPOTENT_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
"""RFC 9110 §9.2.2. The proxy refuses TRACE before it reaches the core; it is listed because the RFC lists it."""

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""RFC 9110 §9.2.1: a client does not ask for any effect with these, so executing one of them twice does no harm."""


class Failure(StrEnum):
    """How an attempt failed, as seen by the balancer."""

    REFUSED = "refused"
    """The connection was refused or unreachable: nothing was sent."""
    EXHAUSTED = "exhausted"
    """The balancer has no socket left to connect with. No backend is to blame, and another backend would not help."""
    CONNECT_TIMEOUT = "connect_timeout"
    RESET = "reset"
    """The connection ended before a complete response head."""
    TIMEOUT = "timeout"
    """The request was sent, and no response head came within the per-try time-out."""
    BAD_RESPONSE = "bad_response"
    """The response violates HTTP: the backend has executed the request, and the response cannot be forwarded."""
    GATEWAY = "gateway"
    """The backend responded with 502, 503 or 504."""
    TRUNCATED = "truncated"
    """The connection ended inside the response body. It is too late to retry; the client's is cut as well."""


@dataclass(slots=True, eq=False, init=False)
class Exchange:
    """One client request: what the core knows about it and its progress."""

    method: str
    idempotent: bool
    """Its method is idempotent, or the client sent an `Idempotency-Key`."""
    started: float
    deadline: float
    """Monotonic seconds. No attempt starts after it."""
    hash_key: bytes
    """Key for hash policies (client address, header, cookie or path); empty when unused."""
    pinned_to: str
    """Id of the backend in its sticky cookie, which is preferred if it accepts the request; empty without a cookie."""
    replayable: bool
    """False if no other attempt may follow: its body is gone, or a backend's response cannot be forwarded."""
    response_begun: bool
    """At least one byte of a response has arrived from a backend, so a backend has executed the request."""
    accepts_unreliable: bool
    """The request is not idempotent, and only unreliable backends accept it, so it may go to one of them."""
    responding: bool
    """At least one response byte was sent to the client. Nothing is retried after that."""
    tried: list[Backend]
    """Backends tried so far, in order; a backend is never tried twice."""
    sent: int
    """Number of attempts of which at least one byte was written."""
    attempts: list[Attempt]
    """Attempts in progress: one, or two while a hedge runs."""
    steps: list[Step]
    """Decisions about the exchange, in order; empty if decisions are not recorded."""
    won: bool
    """The response of one attempt goes to the client: nothing is retried any more, and the other attempt has lost. The
    winner is not stored, because that would make every exchange a reference cycle for the garbage collector."""

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
    """One attempt to send an exchange to one backend."""

    exchange: Exchange
    backend: Backend
    started: float
    sent: float | None
    """When the request was written to the backend: its first byte, then (once it is complete) its last. None while
    connecting, when no backend can have executed it."""
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
