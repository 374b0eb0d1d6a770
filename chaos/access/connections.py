"""Limits the open connections of a port, so that idle ones cannot use up the file descriptors that healing needs.

A connection above the limit gets 503.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import cast

from aiohttp import web

from ..errors import TooManyError

MOST_CONNECTIONS = 256
"""Maximum of open connections, including event streams. It is many times what a lab and a few people open, and a
quarter of the smallest usual limit of file descriptors (1,024). The balancer's admin port has the same limit."""
IDLE_S = 75.0
"""Of a relay: seconds without a complete request head, however many bytes of a head come. aiohttp's own default is an
hour."""
BODY_S = 10.0
"""Of a relay: seconds until a body must be complete, however steadily bytes come."""
LINGER_S = 1.0
"""Of a relay: seconds for which the rest of a refused body is read, so that its sender can read the response; then the
connection is closed."""
_BODY = json.dumps(TooManyError(f"{MOST_CONNECTIONS} connections are open; try again later").to_json()).encode()
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(_BODY), _BODY)
)


class Bounded(asyncio.Protocol):
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


async def listen(runner: web.AppRunner, host: str, port: int) -> asyncio.Server:
    """Serve an application whose runner is set up. Raise OSError if the port is in use."""
    server = runner.server
    assert server is not None

    def protocol() -> asyncio.Protocol:
        return Bounded(lambda: len(server.connections), lambda: cast(asyncio.Protocol, server()))

    return await asyncio.get_running_loop().create_server(protocol, host, port)
