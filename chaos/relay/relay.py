"""The relay as a whole: a door, the links behind it, and at most one fault on them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from chaos.impairment import Impairment
from chaos.relay.door import Address, Door
from chaos.relay.link import Link, Side


class Relay:
    """Accepts for one backend, and impairs all its connections while a fault lasts."""

    def __init__(self, listen: Address, upstream: Address) -> None:
        self.door = Door(listen, upstream, self._accept)
        self.impairment: Impairment | None = None
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._end: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Relay until cancelled."""
        try:
            await self.door.watch()
        finally:
            self._forget_end()
            for link in list(self._links):
                link.reset()

    async def impair(self, impairment: Impairment) -> None:
        """Put a fault in place of the present one, on open and future connections; it ends by itself."""
        await self.heal()
        self.impairment = impairment
        self._end = asyncio.get_running_loop().call_later(impairment.duration_s, self._spawn, self.heal)
        if impairment.kind == "refuse":
            await self.door.lock()
            for link in list(self._links):
                link.reset()
            return
        for link in self._links:
            link.impair(impairment)

    async def heal(self) -> None:
        """End the fault; what it held back leaves at once. Without a fault, nothing happens."""
        self._forget_end()
        ended, self.impairment = self.impairment, None
        for link in list(self._links):
            link.impair(None)
        if ended is not None and ended.kind == "refuse":
            await self.door.unlock()

    def state(self) -> dict[str, Any]:
        """What `GET /state` answers."""
        return {
            "open": self.door.is_open,
            "listen": "{}:{}".format(*self.door.address),
            "upstream": "{}:{}".format(*self.door.upstream),
            "connections": len(self._links),
            "fault": self.impairment.to_json() if self.impairment else None,
        }

    def _accept(self) -> Side:
        link = Link(self._links.discard)
        self._links.add(link)
        if self.impairment is not None:
            link.impair(self.impairment)
        self._spawn(self._connect, link)
        return link.client

    async def _connect(self, link: Link) -> None:
        loop = asyncio.get_running_loop()
        try:
            # No time-out of our own: a stopped backend with a full backlog keeps its clients waiting, so do we.
            await loop.create_connection(lambda: link.upstream, *self.door.upstream)
        except OSError:
            link.reset()
            self.door.doubt()
            return
        if link.client.transport is None:
            link.upstream.finish()  # the client left while we connected

    def _spawn(self, work: Any, *args: Any) -> None:
        coroutine: Coroutine[Any, Any, None] = work(*args)
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _forget_end(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None
