"""One connection of a replica: uvicorn's own protocol, with the limits on time, size and number that it lacks.

uvicorn closes a kept-alive connection that is silent, but waits for ever for the rest of a head or of a body, reads a
head of any length, and never answers a WebSocket handshake that has a body.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 64 * 1024
"""Longest head in bytes: twice what the balancer accepts. The last piece that is read may exceed it."""
BODY_RATE = 500.0
"""Lowest rate of a body in bytes per second, the same as the balancer's `limits.slow_body_rate`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on the time and number of the connections of one replica. Times are in seconds."""

    idle_s: float
    """Time that a connection may last without a byte of a request."""
    head_s: float
    """From the first byte of a head to its last, however steadily the bytes come."""
    body_s: float
    """Time without a byte of a body. Time reduces this allowance, and bytes restore it at `BODY_RATE`, until the
    request is answered."""
    connections: int
    """Maximum number of open connections. Further ones get 503."""


def connections(limits: Limits) -> Callable[..., asyncio.Protocol]:
    """Return what uvicorn calls for each connection."""

    def accept(**rest: Any) -> asyncio.Protocol:
        return cast(asyncio.Protocol, _Connection(limits, **rest))

    return accept


class _Awaited(Enum):
    """What the client must send next."""

    REQUEST = auto()
    HEAD = auto()
    BODY = auto()
    NOTHING = auto()
    """A response is due, or uvicorn's own timer watches a connection that is kept alive."""


class _Connection(HttpToolsProtocol):
    """uvicorn's connection with one timer, for what the client must send next."""

    def __init__(self, limits: Limits, **rest: Any) -> None:
        super().__init__(**rest)
        self._limits = limits
        self._awaited = _Awaited.REQUEST
        self._timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._head_complete = False
        self._body_until = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.connections) >= self._limits.connections:
            self.transport = transport
            self._refuse(b"503 Service Unavailable", "too_many")
            return
        super().connection_made(transport)
        self._await(_Awaited.REQUEST, self._limits.idle_s)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._await(_Awaited.NOTHING)

    def data_received(self, data: bytes) -> None:
        self._head_complete = False
        self._begin()
        super().data_received(data)
        if self._awaited is _Awaited.HEAD:
            self._head_bytes += 0 if self._head_complete else len(data)
            if self._head_bytes > MAX_HEAD and not self.transport.is_closing():
                self._refuse(b"431 Request Header Fields Too Large", "too_large")

    def _begin(self) -> None:
        """Start the clock of a head, unless it runs or a body is being read."""
        if self._awaited in (_Awaited.REQUEST, _Awaited.NOTHING):
            self._head_bytes = 0
            self._await(_Awaited.HEAD, self._limits.head_s)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin()  # of one that is not at the start of what was received

    def on_headers_complete(self) -> None:
        if self._should_upgrade() and any(
            name in (b"content-length", b"transfer-encoding") and value != b"0" for name, value in self.headers
        ):
            raise ValueError("a WebSocket handshake with a body")  # answered 400
        super().on_headers_complete()
        self._head_complete = True
        self._body_until = self.loop.time() + self._limits.body_s
        self._await(_Awaited.BODY, self._limits.body_s)

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if self.cycle.response_complete:  # the rest of a refused body is not waited for any longer
            return
        longest = self.loop.time() + self._limits.body_s
        self._body_until = min(self._body_until + len(body) / BODY_RATE, longest)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._await(_Awaited.NOTHING)

    def _await(self, what: _Awaited, seconds: float = 0.0) -> None:
        self._awaited = what
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if what is not _Awaited.NOTHING:
            self._timer = self.loop.call_later(seconds, self._expired)

    def _expired(self) -> None:
        now = self.loop.time()
        serving = self.cycle is not None and not self.cycle.response_complete
        match self._awaited:
            case _Awaited.BODY if self.flow.read_paused:  # the application does not read it: not the client's fault
                self._body_until = now + self._limits.body_s
                self._await(_Awaited.BODY, self._limits.body_s)
            case _Awaited.BODY if now < self._body_until:
                self._await(_Awaited.BODY, self._body_until - now)
            case _Awaited.HEAD if serving:  # an earlier request of the connection
                self._await(_Awaited.HEAD, self._limits.head_s)
            case _Awaited.BODY if serving and not self.cycle.response_started:
                self._refuse(b"408 Request Timeout", "late")
            case _Awaited.HEAD:
                self._refuse(b"408 Request Timeout", "late")
            case _:
                self.transport.abort()

    def _refuse(self, status: bytes, word: str) -> None:
        """Answer and close. A client that does not read is not waited for."""
        body = json.dumps({"error": word}).encode()
        fields = [*self.server_state.default_headers, (b"content-type", b"application/json"), (b"connection", b"close")]
        head = b"".join(b"%s: %s\r\n" % field for field in fields)
        self.transport.write(b"HTTP/1.1 %s\r\n%scontent-length: %d\r\n\r\n%s" % (status, head, len(body), body))
        self.transport.close()
        if self.transport.get_write_buffer_size():
            self.transport.abort()
