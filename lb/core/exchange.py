"""One client request on its way through the balancer (`Exchange`), and its attempts on backends (`Attempt`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .backend import Backend
    from .decisions import Step

IDEMPOTENT_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
"""Idempotent methods (RFC 9110 §9.2.2). TRACE is listed as in the RFC, although the proxy refuses it earlier."""

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Safe methods (RFC 9110 §9.2.1). They request no effect, so executing one twice is harmless."""


class Failure(StrEnum):
    """How an attempt failed, as seen by the balancer."""

    REFUSED = "refused"
    """The connection was refused or unreachable: nothing was sent."""
    EXHAUSTED = "exhausted"
    """The balancer has no socket left to connect with. It is no backend's fault, and another backend would not help."""
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
    """The connection ended within the response body. It is too late to retry, so the client's connection is cut too."""


@dataclass(slots=True, eq=False, init=False)
class Exchange:
    """One client request and its progress, as far as the core needs to know."""

    method: str
    idempotent: bool
    """Whether its method is idempotent or the client sent an `Idempotency-Key`."""
    started: float
    deadline: float
    """Monotonic seconds. No attempt starts after it."""
    hash_key: bytes
    """Key for hash policies (client address, header, cookie or path); empty when unused."""
    pinned_to: str
    """Id of the backend in its sticky cookie, which is preferred if it accepts the request; empty without a cookie."""
    replayable: bool
    """Whether another attempt may follow. Not if its body is not buffered or a response cannot be forwarded."""
    response_begun: bool
    """Whether a byte of a response has arrived from a backend, so that a backend has executed the request."""
    accepts_unreliable: bool
    """Whether it may go to an unreliable backend. True for a non-idempotent request that only such backends accept."""
    responding: bool
    """Whether a response byte was sent to the client. Nothing is retried after that."""
    tried: list[Backend]
    """Backends tried so far, in order; a backend is never tried twice."""
    sent: int
    """Number of attempts of which at least one byte was written."""
    attempts: list[Attempt]
    """Attempts in progress: one, or two while a hedge runs."""
    steps: list[Step]
    """Decisions about the exchange, in order; empty if decisions are not recorded."""
    won: bool
    """Whether the response of one attempt has been chosen for the client. Then nothing is retried, and the other
    attempt has lost. The winner is not stored, because that would make every exchange a reference cycle."""

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
    """When the first byte of the request was written to the backend, replaced by the time of its last byte. None while
    connecting, so that no backend can have executed the request."""
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
