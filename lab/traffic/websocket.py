"""WebSocket client (RFC 6455): each message is a request, its echo is the answer; at most one message in flight."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable
from typing import cast

from ..evidence.history import Ending, Outcome
from ..services.identification import DEFAULT, Identification
from .connection import Exchange, OnEnd, split_tried
from .frames import BINARY, CLOSE, PING, PONG, TEXT, FrameDecoder, FrameError, client_frame

_LONGEST_HEAD = 32 * 1024


class WebSocket(asyncio.Protocol):
    """One WebSocket. The first message begins with the handshake, which chooses the backend of all later messages."""

    def __init__(
        self,
        path: str,
        fields: str,
        on_end: OnEnd,
        on_idle: Callable[[WebSocket], None],
        identification: Identification = DEFAULT,
    ) -> None:
        """`fields` are header lines, each with its CRLF."""
        self._identification = identification
        self._instance: str | None = None
        key = base64.b64encode(os.urandom(16)).decode()
        upgrade = f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}"
        self._handshake = f"GET {path} HTTP/1.1\r\n{fields}{upgrade}\r\n\r\n".encode()
        self._on_end = on_end
        self._on_idle = on_idle
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._head = bytearray()
        self._fields: dict[str, str] = {}
        self._status: int | None = None
        self._decoder = FrameDecoder()
        self._first = True

    @property
    def usable(self) -> bool:
        """Whether it is open and has no message in flight."""
        return self._transport is not None and not self._transport.is_closing() and self._exchange is None

    def send(self, exchange: Exchange) -> None:
        """Send one message; the first one follows once the handshake is complete."""
        assert self._transport is not None
        self._exchange = exchange
        exchange.connection = self
        if self._status is None:
            self._transport.write(self._handshake)
        else:
            self._transport.write(client_frame(BINARY, exchange.payload))

    def abandon(self) -> None:
        """Close at once, without reporting how a message in flight ended."""
        self._exchange = None
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio.Protocol ---
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._status is None:
            self._head += data
            if b"\r\n\r\n" not in self._head:
                if len(self._head) > _LONGEST_HEAD:
                    self._end(Outcome.UNKNOWN, "bad_response", close=True)
                return
            head, _, data = bytes(self._head).partition(b"\r\n\r\n")
            if not self._complete_handshake(head):
                return
        self._receive(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._exchange is not None:
            self._end(Outcome.UNKNOWN, "reset" if exc else "closed")

    def _complete_handshake(self, head: bytes) -> bool:
        """Read the answer to the handshake; if it is accepted, send the first message and return True."""
        first, *lines = head.decode("latin-1").split("\r\n")
        self._fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        cookies = [
            value.split(";", 1)[0].strip()
            for name, _, value in (line.partition(":") for line in lines)
            if name.lower() == "set-cookie"
        ]
        known = {name.encode("latin-1"): value.encode("latin-1") for name, value in self._fields.items()}
        self._instance = self._identification.read(known, cookies, b"")
        words = first.split(" ", 2)
        if len(words) < 2 or not words[1].isdigit():
            self._end(Outcome.UNKNOWN, "bad_response", close=True)
            return False
        self._status = int(words[1])
        if self._status != 101:
            self._end(Outcome.FAIL, self._fields.get("x-lb-error") or f"status {self._status}", close=True)
            return False
        if self._exchange is not None and self._transport is not None:
            self._transport.write(client_frame(BINARY, self._exchange.payload))
        return True

    def _receive(self, data: bytes) -> None:
        try:
            for kind, payload in self._decoder.feed(data):
                self._frame(kind, payload)
        except FrameError:
            self._end(Outcome.UNKNOWN, "bad_response", close=True)

    def _frame(self, kind: int, payload: bytes) -> None:
        if kind == PING and self._transport is not None:
            self._transport.write(client_frame(PONG, payload))
        elif kind == CLOSE:
            self._end(Outcome.UNKNOWN, "closed", close=True)
        elif kind in {TEXT, BINARY} and self._exchange is not None:
            same = payload == self._exchange.payload
            self._end(Outcome.OK if same else Outcome.FAIL, None if same else "wrong_body", size=len(payload))
            if self.usable:
                self._on_idle(self)

    def _end(self, outcome: Outcome, error: str | None, *, size: int | None = None, close: bool = False) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            ending = Ending(
                outcome,
                status=self._status,
                instance=self._instance,
                backend=self._fields.get("x-backend"),
                tried=split_tried(self._fields.get("x-tried")),
                error=error,
                size=size,
                pinned=not self._first,
            )
            self._first = False
            self._on_end(exchange, ending, ())
        if close:
            self.abandon()
