"""The relay as a whole: a door, the links behind it, and at most one fault of a kind on them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import Any

from ..links.impairment import Impairment
from .effects import KINDS, Effects
from .listener import Address, Door
from .relayed_connection import Link, Side


class Relay:
    """Accepts for one backend, and impairs all its connections while a fault lasts."""

    def __init__(self, listen: Address, upstream: Address) -> None:
        self.door = Door(listen, upstream, self._accept)
        self._faults: dict[str, Impairment] = {}
        self._ends: dict[str, asyncio.TimerHandle] = {}
        self._effects: tuple[Effects | None, Effects | None] = (None, None)
        self._rng = Random()
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Relay until cancelled."""
        try:
            await self.door.watch()
        finally:
            for end in self._ends.values():
                end.cancel()
            for link in list(self._links):
                link.reset()

    async def impair(self, impairment: Impairment) -> None:
        """Put a fault in place of one of its kind, beside others, on open and future connections; it ends by itself.
        Raises ValueError for what a relay cannot do."""
        if impairment.effect not in KINDS or impairment.peers or impairment.port:
            raise ValueError(f"a relay knows {', '.join(sorted(KINDS))}, for everybody and on its own port")
        await self.heal(impairment.kind)
        loop = asyncio.get_running_loop()
        self._faults[impairment.kind] = impairment
        self._ends[impairment.kind] = loop.call_later(impairment.duration_s, self._spawn, self.heal, impairment.kind)
        if impairment.effect == "refuse":
            await self.door.lock()
            for link in list(self._links):
                link.reset()
            return
        self._renew()

    async def heal(self, kind: str | None = None) -> None:
        """End the fault of this kind, or all; without one, nothing happens. What only it held back leaves at once."""
        ended = [fault for name, fault in list(self._faults.items()) if kind in (None, name)]
        for each in ended:
            del self._faults[each.kind]
            self._ends.pop(each.kind).cancel()
        if ended:
            self._renew()
        if any(each.effect == "refuse" for each in ended):
            await self.door.unlock()

    def _renew(self) -> None:
        sides = [Effects(self._faults.values(), direction, self._rng) for direction in ("in", "out")]
        self._effects = (sides[0] or None, sides[1] or None)
        for link in list(self._links):
            link.impair(*self._effects)

    def state(self) -> dict[str, Any]:
        """What `GET /state` answers."""
        return {
            "open": self.door.is_open,
            "listen": "{}:{}".format(*self.door.address),
            "upstream": "{}:{}".format(*self.door.upstream),
            "connections": len(self._links),
            "faults": [fault.to_json() for fault in self._faults.values()],
            "chunks": sum(effects.chunks for effects in self._effects if effects is not None),
        }

    def _accept(self) -> Side:
        link = Link(self._links.discard)
        self._links.add(link)
        link.impair(*self._effects)
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
