"""HTTP/1.1 client connection: sends a request, reads the answer, and reports how the request ended. Never retries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Protocol, cast

import httptools

from ..evidence.history import Ending, Outcome
from ..scenario.plan import PlannedRequest
from ..services.identification import DEFAULT, Identification
from .response_check import ResponseCheck


class ClientConnection(Protocol):
    """An HTTP connection or a WebSocket, as the generator uses it."""

    @property
    def usable(self) -> bool:
        """Whether it is open and has no request in flight."""

    def send(self, exchange: Exchange) -> None:
        """Write the request."""

    def abandon(self) -> None:
        """Close at once, without reporting how a request in flight ended."""


@dataclass(slots=True, eq=False)
class Exchange:
    """One request in flight."""

    id: int
    due: float
    """Due time in seconds since the run's start."""
    give_up_at: float
    """Time at which the client stops waiting, in monotonic seconds."""
    payload: bytes
    kind: PlannedRequest
    session: int | None = None
    check: ResponseCheck | None = None
    """Check of the response; None: every status below 400 is good."""
    server_name: str = ""
    """Name of the server in TLS if it is not the target's."""
    connection: ClientConnection | None = None
    """The connection on which the request was written; None before."""
    connecting: asyncio.Task[None] | None = None
    handshaking: bool = False
    """Whether a new connection for it is open, but its TLS handshake is not complete."""
    ended: bool = False


OnEnd = Callable[[Exchange, Ending, Sequence[str]], None]
"""Called when a request has ended. The last argument has `name=value` of each cookie that the response set."""


class Connection(asyncio.Protocol):
    """A keep-alive HTTP/1.1 connection with at most one request in flight (no pipelining)."""

    def __init__(
        self, on_end: OnEnd, on_idle: Callable[[Connection], None], identification: Identification = DEFAULT
    ) -> None:
        self._identification = identification
        self._on_end = on_end
        self._on_idle = on_idle
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._exchange: Exchange | None = None
        self._fields: dict[bytes, bytes] = {}
        self._head_complete = False
        self._size = 0
        self._keep = 0
        """Number of bytes of the body to keep."""
        self._kept = bytearray()
        self._cookies: list[str] = []

    @property
    def usable(self) -> bool:
        """Whether it is open and has no request in flight."""
        return self._transport is not None and not self._transport.is_closing() and self._exchange is None

    def send(self, exchange: Exchange) -> None:
        """Write the request. The connection is in use until the response is complete."""
        assert self._transport is not None
        self._exchange = exchange
        self._fields = {}
        self._head_complete = False
        self._size = 0
        self._keep = self._identification.keep
        if exchange.check is not None:
            self._keep = max(self._keep, exchange.check.keep)
        self._kept.clear()
        self._cookies.clear()
        exchange.connection = self
        self._transport.write(exchange.payload)

    def abandon(self) -> None:
        """Close at once, without reporting how a request in flight ended."""
        self._exchange = None
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio.Protocol ---
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's class has the methods but is no subclass

    def data_received(self, data: bytes) -> None:
        if self._exchange is None:
            self.abandon()  # data without a request: later responses could be assigned to the wrong request
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._end(self._ending(Outcome.UNKNOWN, "bad_response"))
            self.abandon()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._exchange is None:
            return
        if self._head_complete and not self._fields.keys() & {b"content-length", b"transfer-encoding"}:
            self._end(self._completed())  # RFC 9112 §6.3 rule 8: without a length, the body ends with the connection
        else:
            error = "truncated" if self._head_complete else "reset" if exc else "closed"
            self._end(self._ending(Outcome.UNKNOWN, error))

    # --- httptools callbacks ---
    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields[name.lower()] = value
        if name.lower() == b"set-cookie":
            self._cookies.append(value.split(b";", 1)[0].strip().decode("latin-1"))

    def on_headers_complete(self) -> None:
        self._head_complete = True
        exchange, status = self._exchange, self._parser.get_status_code()
        if exchange is None or status < 200:
            return
        if exchange.kind.method == "HEAD" or status == HTTPStatus.NOT_MODIFIED:
            self._complete_without_body()

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        if self._keep:
            self._kept += data[: self._keep - len(self._kept)]

    def on_message_complete(self) -> None:
        if self._exchange is None:
            return  # it has ended before: the response has no body, or its client stopped waiting
        if self._parser.get_status_code() < 200:  # RFC 9110 §15.2: an interim response; the final response follows
            self._fields = {}
            self._head_complete = False
            return
        reusable = self._parser.should_keep_alive()
        self._end(self._completed())
        if not reusable:
            self.abandon()
        elif self.usable:
            self._on_idle(self)

    def _complete_without_body(self) -> None:
        """End a request whose response has no body, whatever its Content-Length says (RFC 9112 §6.3 rule 1).

        The parser does not know the method of the request and would wait for the body, so a new parser continues.
        """
        close = b"close" in self._fields.get(b"connection", b"").lower()
        persistent = self._parser.get_http_version() == "1.1" and not close
        self._end(self._completed())
        self._parser = httptools.HttpResponseParser(self)
        if persistent and self.usable:
            self._on_idle(self)
        else:
            self.abandon()

    def _completed(self) -> Ending:
        status = self._parser.get_status_code()
        exchange = self._exchange
        check = None if exchange is None else exchange.check
        # Unless a kind of request expects it, a 4xx status is a failure too.
        if not (status < 400 if check is None else status in check.statuses):
            return self._ending(Outcome.FAIL, self._text(b"x-lb-error") or f"status {status}")
        problem = check.body_problem(self._kept, exchange.payload) if exchange is not None and check is not None else ""
        return self._ending(Outcome.FAIL if problem else Outcome.OK, problem or None)

    def _ending(self, outcome: Outcome, error: str | None) -> Ending:
        if not self._head_complete:
            return Ending(outcome, error=error)
        return Ending(
            outcome,
            status=self._parser.get_status_code(),
            instance=self._identification.read(self._fields, self._cookies, self._kept),
            backend=self._text(b"x-backend"),
            tried=split_tried(self._text(b"x-tried")),
            error=error,
            size=self._size,
        )

    def _text(self, name: bytes) -> str | None:
        value = self._fields.get(name)
        return None if value is None else _decoded(value)

    def _end(self, ending: Ending) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self._on_end(exchange, ending, self._cookies)


@lru_cache(maxsize=1024)
def _decoded(value: bytes) -> str:
    return value.decode("latin-1")


@lru_cache(maxsize=1024)
def split_tried(header: str | None) -> tuple[str, ...]:
    """Return the backend ids of an `X-Tried` header."""
    return tuple(each.strip() for each in (header or "").split(",") if each.strip())
