"""Two connected sockets that pass bytes both ways unchanged: after an upgrade, and in TCP mode."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

from .sockets import received
from .websocket import Frames, close_frame

if TYPE_CHECKING:
    from ..core.backend import Backend
    from .data_plane import DataPlane

OnEnd = Callable[["Tunnel"], None]
"""Function that is called once, when the tunnel has ended."""


class Tunnel:
    """Two connected sockets. A half-close is forwarded. The tunnel ends when one of the connections is lost."""

    def __init__(
        self, plane: DataPlane, backend: Backend, on_end: OnEnd, *, idle: float, websocket: bool = False
    ) -> None:
        """`idle` is the idle time-out in seconds. A `websocket` gets close frames when the balancer stops."""
        self.backend = backend
        self.deadline = 0.0
        """When `expire` is to be called; monotonic seconds."""
        self.error = ""
        """`idle`, `total` or `reset`; empty if one of the sides ended the tunnel."""
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
        """Take over both transports. `to_backend` and `to_client` are bytes that were read before."""
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
        """Forward a half-close that came before the tunnel was open."""
        if self._ends is not None:
            end = self._ends[0 if by_client else 1]
            if not end.eof_received():
                end.transport.close()

    def touch(self) -> None:
        """Extend the deadline, because bytes have passed."""
        self.deadline = min(self._plane.clock() + self._idle, self._ends_at)

    def drain(self) -> None:
        """End gracefully: send close frames both ways on a WebSocket. Other tunnels last until the balancer exits."""
        if self._ends is not None:
            for end in self._ends:
                end.send_close_frame()

    def close_frame_sent(self) -> None:
        """Record a sent close frame. When both sides have got one, they have `Limits.linger` seconds to close."""
        if self._ends is not None and all(end.write_closed for end in self._ends):
            self.deadline = self._plane.clock() + self._plane.limits.linger

    def expire(self) -> None:
        """Close the tunnel, because it was idle for too long or has reached its total time."""
        self.error = "total" if self.deadline == self._ends_at else "idle"
        self.close()

    def end_lost(self, end: _End, error: Exception | None) -> None:
        """Close the tunnel, because one connection is lost."""
        if error is not None and self._ends is not None and end is self._ends[1] and not self.bytes_down:
            self.error = "reset"
        self.close()

    def close(self) -> None:
        """Close both connections after sending the buffered bytes, if they are read in time."""
        if self._ends is None:
            return
        client, backend = self._ends
        self._ends = None
        self._plane.tunnels.discard(self)
        for end in (client, backend):
            end.transport.close()
            if end.transport.get_write_buffer_size():  # abort if it is not sent in time
                asyncio.get_running_loop().call_later(self._plane.limits.slow_reader, end.transport.abort)
        self.bytes_up, self.bytes_down = backend.sent, client.sent
        self._on_end(self)

    def abort(self) -> None:
        """Abort both connections."""
        ends = self._ends
        self.close()
        for end in ends or ():
            end.transport.abort()


class _End(asyncio.Protocol):
    """One of the two connections. The other one sends the bytes that this one receives."""

    other: _End

    def __init__(self, tunnel: Tunnel, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.sent = 0
        self.write_closed = False
        """Whether nothing more is written to this socket."""
        self._tunnel = tunnel

    def send(self, data: bytes) -> None:
        """Write `data` to this socket."""
        self._tunnel.touch()
        if data:
            self.sent += len(data)
            self.transport.write(data)

    def send_close_frame(self) -> None:
        """Do nothing, because only WebSocket has a close frame."""

    def data_received(self, data: bytes) -> None:
        self.other.send(data)

    def eof_received(self) -> bool:
        """Forward the half-close. Return whether to keep the connection open for the other direction."""
        other = self.other
        was_open = not other.write_closed
        other.write_closed = True
        if self.write_closed or other.transport.is_closing() or not other.transport.can_write_eof():
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
            for data in received(sock.fileno()):  # received before writing failed
                self.other.send(data)
        self._tunnel.end_lost(self, error)


class _WebSocketEnd(_End):
    """Tracks WebSocket frames, so that a close frame can be written between two of them."""

    def __init__(self, tunnel: Tunnel, transport: asyncio.Transport, *, masked: bool) -> None:
        super().__init__(tunnel, transport)
        self._frames = Frames()
        self._masked = masked
        self._close_pending = False

    def send(self, data: bytes) -> None:
        """Write `data`, then a close frame if one is pending and a frame ends here. Nothing follows a close frame."""
        if self.write_closed:
            return
        super().send(data)
        self._frames.feed(data)
        if self._close_pending:
            self.send_close_frame()

    def send_close_frame(self) -> None:
        self._close_pending = True
        if not self.write_closed and self._frames.at_boundary and not self.transport.is_closing():
            self.transport.write(close_frame(masked=self._masked))
            self.write_closed = True
            self._tunnel.close_frame_sent()
