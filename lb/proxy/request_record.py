"""What is known of a request once it is over: the one thing that the access log and the metrics are fed from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..core.decisions import Step


@dataclass(slots=True, init=False)
class Record:
    """One finished request. Times are seconds, sizes body bytes."""

    method: str
    """Empty, as are most of the others, when the request was refused for its form."""
    target: bytes
    status: int
    """0 when the client left before any answer."""
    backend: str
    """Id of the backend whose answer went out; empty when the balancer answered itself."""
    attempts: int
    started: float
    """Monotonic seconds."""
    total_s: float
    """From the complete head (or body, if that is small) to the last byte put into the outbox for the client."""
    backend_s: float
    """From the start of the winning attempt to its first byte; 0 without one."""
    bytes_in: int
    bytes_out: int
    error: str
    """Why it did not end well: an `X-Lb-Error` word, `truncated`, or `client_gone`; empty when it did."""
    request_id: bytes
    client: bytes
    """The client's address."""
    story: Sequence[Step]
    """What was decided on its way; empty unless decisions are kept."""

    def __init__(
        self,
        method: str,
        target: bytes,
        status: int,
        backend: str,
        attempts: int,
        started: float,
        total_s: float,
        backend_s: float,
        bytes_in: int,
        bytes_out: int,
        error: str,
        request_id: bytes,
        client: bytes,
        story: Sequence[Step] = (),
    ) -> None:
        self.method = method
        self.target = target
        self.status = status
        self.backend = backend
        self.attempts = attempts
        self.started = started
        self.total_s = total_s
        self.backend_s = backend_s
        self.bytes_in = bytes_in
        self.bytes_out = bytes_out
        self.error = error
        self.request_id = request_id
        self.client = client
        self.story = story


def refused(status: int, reason: str, client: bytes, now: float) -> Record:
    """The record of a request that could not be read, and of which therefore nothing else is known."""
    return Record(
        method="",
        target=b"",
        status=status,
        backend="",
        attempts=0,
        started=now,
        total_s=0.0,
        backend_s=0.0,
        bytes_in=0,
        bytes_out=0,
        error=reason,
        request_id=b"",
        client=client,
    )


@dataclass(slots=True)
class Session:
    """One finished connection of TCP mode. Times are seconds, sizes bytes."""

    backend: str
    """Id of the backend that took it; empty when none did."""
    attempts: int
    started: float
    """Monotonic seconds."""
    total_s: float
    bytes_in: int
    """From the client."""
    bytes_out: int
    error: str
    """Why it did not end well: a word as in `X-Lb-Error`, `idle`, `reset` (by its backend, before the first byte),
    `client_gone` (before a backend was found); empty when it did."""
    client: bytes
    """The client's address."""


OnSession = Callable[[Session], None]
"""Called once for every connection of TCP mode, like an `OnDone`."""

OnDone = Callable[[Record], None]
"""Called once for every request, refused ones included, on the event loop: it must be cheap and must not raise."""


def ignore(record: Record) -> None:
    """The `OnDone` of a data plane that nobody watches."""


def ignore_session(session: Session) -> None:
    """Its `OnSession`."""
