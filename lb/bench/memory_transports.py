"""In-memory transports with negligible cost, so that the measurement shows only the cost of the balancer."""

from __future__ import annotations

import asyncio
from typing import Any

from ..core.backend import Backend
from ..proxy.data_plane import DataPlane
from ..proxy.upstream import UpstreamConnection

ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.26.3\r\nDate: Tue, 24 Nov 2026 10:00:00 GMT\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 64\r\nConnection: keep-alive\r\n\r\n" + b"x" * 64
)
"""Response of the backends of `lab bench proxy`."""


class ClientTransport(asyncio.Transport):
    """Transport of a client that reads all data immediately."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 40000), "sockname": ("127.0.0.1", 8080)})
        self.written = 0
        self.last = b""

    def write(self, data: Any) -> None:
        """Count the bytes, and keep the last chunk for inspection."""
        self.written += len(data)
        self.last = data

    def is_closing(self) -> bool:
        """Return False: it stays open."""
        return False


class BackendTransport(asyncio.Transport):
    """Transport of a backend that responds to its requests when `MemoryBackends.answer` is called."""

    def __init__(self, protocol: UpstreamConnection, pending: list[UpstreamConnection]) -> None:
        super().__init__({})
        self._protocol = protocol
        self._pending = pending

    def write(self, data: Any) -> None:
        """Record a request. The response does not come inside this call but later, as on a real network."""
        self._pending.append(self._protocol)

    def is_closing(self) -> bool:
        """Return False: it stays open."""
        return False


class MemoryBackends:
    """Replaces the network: connects immediately, and responds to all pending requests."""

    def __init__(self) -> None:
        self._pending: list[UpstreamConnection] = []

    async def dial(self, backend: Backend, plane: DataPlane) -> UpstreamConnection:
        """Connect to the backend. Implements `Dial`."""
        connection = UpstreamConnection(plane, backend)
        connection.connection_made(BackendTransport(connection, self._pending))
        return connection

    def answer(self) -> None:
        """Respond to all pending requests."""
        pending, self._pending[:] = self._pending[:], []
        for connection in pending:
            connection.data_received(ANSWER)
