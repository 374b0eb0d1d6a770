"""HTTP/1.1 client connection: sends a request, reads the answer, and reports how the request ended. Never retries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import httptools

from ..evidence.history import Ending, Outcome
from ..scenario.plan import PlannedRequest


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
    connection: ClientConnection | None = None
    """The connection on which the request was written; None before."""
    connecting: asyncio.Task[None] | None = None
    ended: bool = False


OnEnd = Callable[[Exchange, Ending, Sequence[str]], None]
"""Called when a request has ended. The last argument has `name=value` of each cookie that the response set."""


class Connection(asyncio.Protocol):
    """A keep-alive HTTP/1.1 connection with at most one request in flight (no pipelining)."""

    def __init__(self, on_end: OnEnd, on_idle: Callable[[Connection], None]) -> None:
        self._on_end = on_end
        self._on_idle = on_idle
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._exchange: Exchange | None = None
        self._fields: dict[bytes, bytes] = {}
        self._head_complete = False
        self._size = 0
        self._echo = bytearray()
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
        self._echo.clear()
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

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        if self._exchange is not None and self._exchange.kind.method == "PUT":
            self._echo += data

    def on_message_complete(self) -> None:
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

    def _completed(self) -> Ending:
        status = self._parser.get_status_code()
        # No request of the load is invalid, so a 4xx status is a failure too.
        if status < 400 and self._has_wrong_body():
            return self._ending(Outcome.FAIL, "wrong_body")
        if status < 400:
            return self._ending(Outcome.OK, None)
        return self._ending(Outcome.FAIL, self._text(b"x-lb-error") or f"status {status}")

    def _has_wrong_body(self) -> bool:
        """Return whether a PUT was not answered with its own body, the last bytes of its payload."""
        exchange = self._exchange
        if exchange is None or exchange.kind.method != "PUT":
            return False
        return len(self._echo) != exchange.kind.body_bytes or not exchange.payload.endswith(self._echo)

    def _ending(self, outcome: Outcome, error: str | None) -> Ending:
        if not self._head_complete:
            return Ending(outcome, error=error)
        return Ending(
            outcome,
            status=self._parser.get_status_code(),
            instance=self._text(b"x-instance"),
            backend=self._text(b"x-backend"),
            tried=split_tried(self._text(b"x-tried")),
            error=error,
            size=self._size,
        )

    def _text(self, name: bytes) -> str | None:
        value = self._fields.get(name)
        return None if value is None else value.decode("latin-1")

    def _end(self, ending: Ending) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self._on_end(exchange, ending, self._cookies)


def split_tried(header: str | None) -> tuple[str, ...]:
    """Return the backend ids of an `X-Tried` header."""
    return tuple(each.strip() for each in (header or "").split(",") if each.strip())
