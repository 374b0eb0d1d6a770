"""Connects to a backend. Of all steps of a request, only this one needs a task."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from ..core.exchange import Attempt, Failure
from ..errors import is_our_own
from .ports import Link, ResponseReceiver
from .proxy_protocol import encode
from .sockets import connected_socket
from .upstream import UpstreamConnection

if TYPE_CHECKING:
    from ..core.backend import Backend
    from .data_plane import DataPlane


class Dialing(Link):
    """Connects for one attempt and reports the result to the relay, unless the attempt is dropped before."""

    def __init__(self, plane: DataPlane, relay: ResponseReceiver, attempt: Attempt) -> None:
        self.attempt: Attempt | None = attempt
        self._plane = plane
        self._relay = relay
        self._task = asyncio.get_running_loop().create_task(self._connect(attempt))

    def drop(self) -> None:
        self._task.cancel()

    async def _connect(self, attempt: Attempt) -> None:
        try:
            connection = await self._plane.dial(attempt.backend, self._plane)
        except TimeoutError:
            self._relay.attempt_failed(self, Failure.CONNECT_TIMEOUT)
        except OSError as error:
            self._relay.attempt_failed(self, Failure.EXHAUSTED if is_our_own(error) else Failure.REFUSED)
        else:
            if self._plane.proxy_header:
                connection.write(encode(self._plane.proxy_header, self._relay.client.origin), complete=False)
            self._relay.connected(self, connection)


async def connect(backend: Backend, plane: DataPlane) -> UpstreamConnection:
    """Return a new connection to `backend`. Raise OSError (refused, unreachable) or TimeoutError."""
    sock = await connected_socket(backend, plane.connect_timeout)
    loop = asyncio.get_running_loop()
    try:
        connection = UpstreamConnection(plane, backend, sock)
        await loop.create_connection(lambda: cast(asyncio.Protocol, connection), sock=sock)
    except BaseException:
        sock.close()
        raise
    return connection
