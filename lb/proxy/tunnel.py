"""Two sockets, bytes both ways, no opinion about them: after an upgrade, and in TCP mode from the start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

from .sockets import received
from .websocket import Frames, close_frame

if TYPE_CHECKING:
    from ..core.backend import Backend
    from .data_plane import Plane

OnEnd = Callable[["Tunnel"], None]
"""Told once, when it is over."""


class Tunnel:
    """A pair of ends. Each end's half-close is passed on; the tunnel is over when either end is lost."""

    def __init__(self, plane: Plane, backend: Backend, on_end: OnEnd, *, idle: float, websocket: bool = False) -> None:
        """`idle` is the seconds of silence that end it; a `websocket` can be told when the balancer stops."""
        self.backend = backend
        self.deadline = 0.0
        """When it has been silent for too long; the ticker looks."""
        self.error = ""
        """Why it ended, where that was not one of the two sides' own will."""
        self._plane = plane
        self._on_end = on_end
        self._idle = idle
        total = plane.limits.tunnel_total
        self._ends_at = plane.clock() + total if total else inf
        self._websocket = websocket
        self._ends: tuple[_End, _End] | None = None
        self.bytes_up = 0
        self.bytes_down = 0

    def open(self, client: asyncio.Transport, backend: asyncio.Transport, to_backend: bytes, to_client: bytes) -> None:
        """Take both transports over; `to_backend` and `to_client` are bytes that were read before the switch."""
        towards_client = _WebSocketEnd(self, client, masked=False) if self._websocket else _End(self, client)
        towards_backend = _WebSocketEnd(self, backend, masked=True) if self._websocket else _End(self, backend)
        towards_client.other, towards_backend.other = towards_backend, towards_client
        self._ends = (towards_client, towards_backend)
        self._plane.tunnels.add(self)
        client.set_protocol(towards_client)
        backend.set_protocol(towards_backend)
        towards_backend.send(to_backend)
        towards_client.send(to_client)
        for end in self._ends:
            if end.transport.is_closing():
                self.close()
                return
        if self._plane.stopping:
            self.drain()

    def half_closed(self, *, by_client: bool) -> None:
        """One side had ended its direction before the tunnel was open."""
        if self._ends is not None:
            end = self._ends[0 if by_client else 1]
            if not end.eof_received():
                end.transport.close()

    def touch(self) -> None:
        """A byte has passed."""
        self.deadline = min(self._plane.clock() + self._idle, self._ends_at)

    def drain(self) -> None:
        """The balancer stops. A WebSocket says so to both sides, which then close; others get the time that is left."""
        if self._ends is not None:
            for end in self._ends:
                end.say_goodbye()

    def said_goodbye(self) -> None:
        """A side has been told; what is left to do takes a moment, or the other side is not interested in manners."""
        if self._ends is not None and all(end.finished for end in self._ends):
            self.deadline = self._plane.clock() + self._plane.limits.linger

    def expire(self) -> None:
        """Silent for too long, or there for too long."""
        self.error = "total" if self.deadline == self._ends_at else "idle"
        self.close()

    def lost(self, end: _End, error: Exception | None) -> None:
        """One of the two is gone."""
        if error is not None and self._ends is not None and end is self._ends[1] and not self.bytes_down:
            self.error = "reset"
        self.close()

    def close(self) -> None:
        """End both ways; what is in the buffers still goes out, if it is read in time."""
        if self._ends is None:
            return
        client, backend = self._ends
        self._ends = None
        self._plane.tunnels.discard(self)
        for end in (client, backend):
            end.transport.close()
            if end.transport.get_write_buffer_size():  # a buffer, or what did not fit one: seconds even at 1 KiB/s
                asyncio.get_running_loop().call_later(self._plane.limits.slow_reader, end.transport.abort)
        self.bytes_up, self.bytes_down = backend.sent, client.sent
        self._on_end(self)

    def abort(self) -> None:
        """End both ways at once."""
        ends = self._ends
        self.close()
        for end in ends or ():
            end.transport.abort()


class _End(asyncio.Protocol):
    """One of the two sockets: what it reads, the other writes."""

    other: _End

    def __init__(self, tunnel: Tunnel, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.sent = 0
        self.finished = False
        """Nothing more will be written to this socket."""
        self._tunnel = tunnel

    def send(self, data: bytes) -> None:
        """Write `data` to this socket."""
        self._tunnel.touch()
        if data:
            self.sent += len(data)
            self.transport.write(data)

    def say_goodbye(self) -> None:
        """Tell the other side that this is the end, where its protocol has a word for that."""

    def data_received(self, data: bytes) -> None:
        self.other.send(data)

    def eof_received(self) -> bool:
        """Half-closed: the other direction may still have something to say."""
        other = self.other
        was_open = not other.finished
        other.finished = True
        if self.finished or other.transport.is_closing() or not other.transport.can_write_eof():
            return False
        if was_open:
            other.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        if not self.other.transport.is_closing():
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        sock = self.transport.get_extra_info("socket")
        if error is not None and sock is not None and self.transport.get_extra_info("sslcontext") is None:
            for data in received(sock.fileno()):  # it came before writing failed
                self.other.send(data)
        self._tunnel.lost(self, error)


class _WebSocketEnd(_End):
    """Knows when a close frame may be written to its socket."""

    def __init__(self, tunnel: Tunnel, transport: asyncio.Transport, *, masked: bool) -> None:
        super().__init__(tunnel, transport)
        self._frames = Frames()
        self._masked = masked
        self._leaving = False

    def send(self, data: bytes) -> None:
        """Write `data`, and behind its last frame the goodbye, if that is due. Nothing follows a close frame."""
        if self.finished:
            return
        super().send(data)
        self._frames.feed(data)
        if self._leaving:
            self.say_goodbye()

    def say_goodbye(self) -> None:
        self._leaving = True
        if not self.finished and self._frames.at_boundary and not self.transport.is_closing():
            self.transport.write(close_frame(masked=self._masked))
            self.finished = True
            self._tunnel.said_goodbye()
