"""The listening socket of the admin API. It serves a limited number of connections and answers 503 to further ones.

The admin API and the traffic share the file descriptors of one process. Event streams and idle connections must not
use up the descriptors that the traffic needs.
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
"""Maximum of open connections, including event streams. It is many times what a lab, a monitor and a few pages open,
and a quarter of the smallest usual limit of file descriptors (1,024)."""
IDLE_S: Final = 75.0
"""Seconds from connect or the last response to a complete request head, after which the connection is closed, even if
parts of a head arrive. aiohttp's default is an hour."""
SHUTDOWN_S: Final = 0.5
"""Seconds that open requests get at a stop, because event streams never end by themselves."""
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
    """Passes a connection to the server's protocol, or refuses it if there are too many.

    The decision is made in `connection_made`, because the event loop accepts all connections of a burst, and makes a
    protocol for each, before the first of them is counted.
    """

    def __init__(self, connections: Callable[[], int], serve: Callable[[], asyncio.Protocol]) -> None:
        self._connections = connections
        self._serve = serve

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Refuse or accept the connection, before anything is read from it."""
        made = cast(asyncio.Transport, transport)
        if self._connections() >= MOST_CONNECTIONS:
            made.write(_REFUSAL)
            made.close()
            return
        protocol = self._serve()
        made.set_protocol(protocol)
        protocol.connection_made(made)
