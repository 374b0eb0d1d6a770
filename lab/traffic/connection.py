"""One client connection: sends a request, reads its answer, and says how it ended. Never retries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

import httptools

from ..evidence.history import Outcome
from ..scenario.plan import PlannedRequest


@dataclass(frozen=True, slots=True)
class Ending:
    """How a request ended for its client; the members are those of a history line."""

    outcome: Outcome
    status: int | None = None
    instance: str | None = None
    backend: str | None = None
    tried: tuple[str, ...] = ()
    error: str | None = None
    size: int | None = None
    pinned: bool = False
    """Went to a backend that had been chosen earlier, for the first message of its WebSocket."""
    cookies: tuple[str, ...] = ()
    """`name=value` of each cookie that the answer set."""


class Carrier(Protocol):
    """What a request travels on."""

    @property
    def usable(self) -> bool:
        """Open, with no request on it."""

    def send(self, exchange: Exchange) -> None:
        """Write the request."""

    def abandon(self) -> None:
        """Close at once without reporting: nobody waits for the answer any more."""


@dataclass(slots=True, eq=False)
class Exchange:
    """One request on its way."""

    id: int
    due: float
    give_up_at: float
    """Monotonic seconds."""
    payload: bytes
    kind: PlannedRequest
    session: int | None = None
    connection: Carrier | None = None
    """Set once the request has been written."""
    connecting: asyncio.Task[None] | None = None
    ended: bool = False


class Connection(asyncio.Protocol):
    """A keep-alive HTTP/1.1 client connection with at most one request on it (no pipelining)."""

    def __init__(self, on_end: Callable[[Exchange, Ending], None], on_idle: Callable[[Connection], None]) -> None:
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
        """Open, with no request on it."""
        return self._transport is not None and not self._transport.is_closing() and self._exchange is None

    def send(self, exchange: Exchange) -> None:
        """Write the request; the connection is busy until its answer is complete."""
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
        """Close at once without reporting: nobody waits for the answer any more."""
        self._exchange = None
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio.Protocol ---
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its ancestry

    def data_received(self, data: bytes) -> None:
        if self._exchange is None:
            self.abandon()  # bytes that nobody asked for: whatever follows cannot be trusted
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
            self._end(self._judged())  # RFC 9112 §6.3 rule 8: such a body ends with the connection
        else:
            word = "truncated" if self._head_complete else "reset" if exc else "closed"
            self._end(self._ending(Outcome.UNKNOWN, word))

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
        if self._parser.get_status_code() < 200:  # RFC 9110 §15.2: an interim answer, the real one follows
            self._fields = {}
            self._head_complete = False
            return
        reusable = self._parser.should_keep_alive()
        self._end(self._judged())
        if not reusable:
            self.abandon()
        elif self.usable:
            self._on_idle(self)

    def _judged(self) -> Ending:
        status = self._parser.get_status_code()
        # The load holds no request that deserves a 4xx, so one of those is a bad answer, too.
        if status < 400 and self._is_another_body():
            return self._ending(Outcome.FAIL, "wrong_body")
        if status < 400:
            return self._ending(Outcome.OK, None)
        return self._ending(Outcome.FAIL, self._text(b"x-lb-error") or f"status {status}")

    def _is_another_body(self) -> bool:
        """A PUT is answered with its own body, which its payload ends with."""
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
            tried=tuple(each.strip() for each in (self._text(b"x-tried") or "").split(",") if each.strip()),
            error=error,
            size=self._size,
            cookies=tuple(self._cookies),
        )

    def _text(self, name: bytes) -> str | None:
        value = self._fields.get(name)
        return None if value is None else value.decode("latin-1")

    def _end(self, ending: Ending) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self._on_end(exchange, ending)
