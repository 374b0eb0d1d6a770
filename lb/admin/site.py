"""The listening socket of the admin API. It serves a limited number of connections at a time and answers 503 to others.

The admin API and the traffic are in one process and share its file descriptors. Long event streams and idle connections
must not use up the descriptors that clients need.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Final, cast

from aiohttp import web

BACKLOG: Final = 128
MOST_CONNECTIONS: Final = 256
"""Connections at a time, those of event streams included: many times what a lab, a monitor and a few pages open, and a
quarter of the smallest usual limit of descriptors (1,024)."""
IDLE_S: Final = 75.0
"""Seconds without a complete request head: from the connection or the last answer on, however many bytes of a head come
meanwhile. aiohttp's own default is an hour."""
SHUTDOWN_S: Final = 0.5
"""Seconds that requests have at a stop: event streams never end by themselves."""
_BODY: Final = json.dumps(
    {"error": "too_many", "detail": f"{MOST_CONNECTIONS} connections to the admin port are open; try again later"}
).encode()
_REFUSAL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json; charset=utf-8\r\nRetry-After: 1\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(_BODY), _BODY)
)


def runner_of(app: web.Application) -> web.AppRunner:
    """Return an aiohttp runner for the admin API, with its time-outs."""
    return web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S, keepalive_timeout=IDLE_S)


class AdminSite(web.BaseSite):
    """One listening socket of the admin API."""

    def __init__(self, runner: web.BaseRunner, sock: socket.socket) -> None:
        super().__init__(runner, backlog=BACKLOG)
        self._sock = sock

    @property
    def name(self) -> str:
        """Return the address as text, which aiohttp requires."""
        return str(self._sock.getsockname())

    async def start(self) -> None:
        """Start to accept connections."""
        await super().start()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, sock=self._sock, backlog=BACKLOG)

    def _protocol(self) -> asyncio.Protocol:
        server = self._runner.server
        assert server is not None
        return _Bounded(lambda: len(server.connections), lambda: cast(asyncio.Protocol, server()))


class _Bounded(asyncio.Protocol):
    """Passes a connection to the server's own protocol, or refuses it if there are too many.

    The decision is made in `connection_made`, because the event loop accepts all connections of a burst, and makes a
    protocol for each, before the first of them is counted.
    """

    def __init__(self, connections: Callable[[], int], serve: Callable[[], asyncio.Protocol]) -> None:
        self._connections = connections
        self._serve = serve

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connections, before anything is read."""
        made = cast(asyncio.Transport, transport)
        if self._connections() >= MOST_CONNECTIONS:
            made.write(_REFUSAL)
            made.close()
            return
        protocol = self._serve()
        made.set_protocol(protocol)
        protocol.connection_made(made)
