"""After an upgrade: two sockets, bytes both ways, no opinion about them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lb.proxy.plane import Plane

OnEnd = Callable[[int, int], None]
"""Told once, with the bytes that went to the backend and those that went to the client."""


class Tunnel:
    """A pair of ends. Each end's half-close is passed on; the tunnel is over when either end is lost."""

    def __init__(self, plane: Plane, on_end: OnEnd) -> None:
        self.deadline = 0.0
        """When it has been silent for too long; the ticker looks."""
        self._plane = plane
        self._on_end = on_end
        self._ends: tuple[_End, _End] | None = None

    def open(self, client: asyncio.Transport, backend: asyncio.Transport, to_backend: bytes, to_client: bytes) -> None:
        """Take both transports over; `to_backend` and `to_client` are bytes that were read before the switch."""
        towards_client = _End(self, client)
        towards_backend = _End(self, backend)
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

    def touch(self) -> None:
        """A byte has passed."""
        self.deadline = self._plane.clock() + self._plane.limits.tunnel_idle

    def close(self) -> None:
        """End both ways; what is in the buffers still goes out."""
        if self._ends is None:
            return
        client, backend = self._ends
        self._ends = None
        self._plane.tunnels.discard(self)
        client.transport.close()
        backend.transport.close()
        self._on_end(backend.sent, client.sent)

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
        self._tunnel = tunnel
        self._finished = False
        """Nothing more will be read from this socket."""

    def send(self, data: bytes) -> None:
        """Write `data` to this socket."""
        self._tunnel.touch()
        if data:
            self.sent += len(data)
            self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        self.other.send(data)

    def eof_received(self) -> bool:
        """Half-closed: the other direction may still have something to say."""
        self._finished = True
        other = self.other.transport
        if self.other._finished or other.is_closing() or not other.can_write_eof():
            return False
        other.write_eof()
        return True

    def pause_writing(self) -> None:
        if not self.other.transport.is_closing():
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._tunnel.close()
