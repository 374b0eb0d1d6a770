"""Records of finished requests and TCP connections, for access log, metrics and decision log.

They are filled by `ResponseWriter.record` and `TcpConnection._record`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..core.decisions import Step


@dataclass(slots=True, init=False)
class RequestRecord:
    """One finished request. Times are seconds, sizes body bytes."""

    method: str
    """Empty, like most other fields, if the request was malformed."""
    target: bytes
    status: int
    """0 if the client disconnected before a response."""
    backend: str
    """Id of the backend whose response was sent; empty if the balancer itself responded."""
    attempts: int
    started: float
    """Monotonic seconds."""
    total_s: float
    """Time from the complete head (or small body) to the write of the last byte to the client."""
    backend_s: float
    """Time from the start of the accepted attempt to the head of its response, or 0."""
    bytes_in: int
    bytes_out: int
    error: str
    """Reason of a failure: a value of `X-Lb-Error`, `truncated`, or `client_gone`; empty on success."""
    request_id: bytes
    client: bytes
    """The client's address."""
    story: Sequence[Step]
    """Decisions about the request, empty if decisions are not kept."""

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


def refused_record(status: int, reason: str, client: bytes, now: float) -> RequestRecord:
    """Return the record of a malformed request, or of a refused connection (status 0)."""
    return RequestRecord(
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
class TcpRecord:
    """One finished connection of TCP mode. Times are seconds, sizes bytes."""

    backend: str
    """Id of the backend that accepted the connection; empty if none did."""
    attempts: int
    started: float
    """Monotonic seconds."""
    total_s: float
    bytes_in: int
    """Bytes from the client."""
    bytes_out: int
    error: str
    """Reason of a failure: a value of `X-Lb-Error`, `idle`, `total`, `reset` (by the backend, before the first byte),
    or `client_gone` (before a backend was found); empty on success."""
    client: bytes
    """The client's address."""


OnTcpDone = Callable[[TcpRecord], None]
"""Function that is called once for every connection of TCP mode, like `OnDone` for requests."""

OnDone = Callable[[RequestRecord], None]
"""Function that is called once for every request, including refused ones. It must be fast and must not raise."""


def ignore_request(record: RequestRecord) -> None:
    """Do nothing (the default `OnDone`)."""


def ignore_tcp(record: TcpRecord) -> None:
    """Do nothing (the default `OnTcpDone`)."""
