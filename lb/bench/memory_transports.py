"""Transports that cost next to nothing: what is left of a request's cost is ours."""

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
"""What the backends of `lab bench proxy` say."""


class ClientWire(asyncio.Transport):
    """A client that reads everything and never stalls."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 40000), "sockname": ("127.0.0.1", 8080)})
        self.written = 0
        self.last = b""

    def write(self, data: Any) -> None:
        """Count it, and keep the last piece to look at."""
        self.written += len(data)
        self.last = data

    def is_closing(self) -> bool:
        """Never."""
        return False


class BackendWire(asyncio.Transport):
    """A backend that has each request answered when `answer` is called."""

    def __init__(self, protocol: UpstreamConnection, asked: list[UpstreamConnection]) -> None:
        super().__init__({})
        self._protocol = protocol
        self._asked = asked

    def write(self, data: Any) -> None:
        """A request: it is answered later, as on a real network, not inside this call."""
        self._asked.append(self._protocol)

    def is_closing(self) -> bool:
        """Never."""
        return False


class Backends:
    """Stands where the network is: connects at once, and answers whoever has asked."""

    def __init__(self) -> None:
        self._asked: list[UpstreamConnection] = []

    async def dial(self, backend: Backend, plane: DataPlane) -> UpstreamConnection:
        """A `Dial`."""
        connection = UpstreamConnection(plane, backend)
        connection.connection_made(BackendWire(connection, self._asked))
        return connection

    def answer(self) -> None:
        """Answer all that were asked."""
        asked, self._asked[:] = self._asked[:], []
        for connection in asked:
            connection.data_received(ANSWER)
