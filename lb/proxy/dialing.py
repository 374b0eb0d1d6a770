"""A connection on its way to a backend: the one place where a request costs a task."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..core.exchange import Attempt, Failure
from ..errors import is_our_own
from .ports import Link, ResponseReceiver
from .proxy_protocol import encode

if TYPE_CHECKING:
    from .data_plane import Plane


class Dialing(Link):
    """Connects for one attempt, and tells the relay how that went unless it is dropped before."""

    def __init__(self, plane: Plane, relay: ResponseReceiver, attempt: Attempt) -> None:
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
            if self._plane.announce:
                connection.write(encode(self._plane.announce, self._relay.client.origin), complete=False)
            self._relay.connected(self, connection)
