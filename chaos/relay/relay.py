"""A relay: its listener, the relayed connections, and at most one fault of each kind on them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import Any

from ..links.impairment import Impairment
from .effects import IMITATED_EFFECTS, Effects
from .listener import Address, Listener
from .relayed_connection import Link, Side

SLOT_S = 0.01
"""Length of the slots in which a partial `refuse` accepts or refuses, seconds. Usually at most one connection falls
into a slot, so each of them is decided by a draw of its own."""


class Relay:
    """Accepts connections for one backend, and impairs all of them while a fault lasts."""

    def __init__(self, listen: Address, upstream: Address) -> None:
        self.listener = Listener(listen, upstream, self._accept)
        self._faults: dict[str, Impairment] = {}
        self._ends: dict[str, asyncio.TimerHandle] = {}
        self._effects: tuple[Effects | None, Effects | None] = (None, None)
        self._rng = Random()
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Relay until cancelled."""
        try:
            await self.listener.watch()
        finally:
            for end in self._ends.values():
                end.cancel()
            for link in list(self._links):
                link.reset()

    async def impair(self, impairment: Impairment) -> None:
        """Start a fault on open and future connections. It replaces a fault of the same kind and ends by itself.

        Raise ValueError for an impairment that a relay cannot imitate.
        """
        if impairment.effect not in IMITATED_EFFECTS or impairment.peers or impairment.port:
            supported = ", ".join(sorted(IMITATED_EFFECTS))
            raise ValueError(f"a relay supports only {supported}, for all peers and its own port")
        await self.heal(impairment.kind)
        loop = asyncio.get_running_loop()
        self._faults[impairment.kind] = impairment
        self._ends[impairment.kind] = loop.call_later(impairment.duration_s, self._spawn, self.heal, impairment.kind)
        if impairment.is_partial and impairment.effect == "refuse":
            self._refusing = asyncio.create_task(self._refuse_some(impairment.share))
            return
        if impairment.effect == "refuse":
            await self.listener.lock()
            for link in list(self._links):
                link.reset()
            return
        self._renew()

    async def heal(self, kind: str | None = None) -> None:
        """End the fault of this kind, or all faults. Bytes that only this fault delayed leave at once."""
        ended = [fault for name, fault in list(self._faults.items()) if kind in (None, name)]
        for each in ended:
            del self._faults[each.kind]
            self._ends.pop(each.kind).cancel()
        if ended:
            self._renew()
        if any(each.effect == "refuse" for each in ended):
            if self._refusing is not None:
                self._refusing.cancel()
                self._refusing = None
            await self.listener.unlock()

    async def _refuse_some(self, share: float) -> None:
        """Stop listening for random slots of time, this share of all, until cancelled.

        Only a socket that does not listen refuses connections. If the relay accepted and reset them, some clients
        would already have sent a request.
        """
        while True:
            if self._rng.random() < share:
                await self.listener.lock()
            else:
                await self.listener.reopen()
            await asyncio.sleep(SLOT_S)

    def _renew(self) -> None:
        sides = [Effects(self._faults.values(), direction, self._rng) for direction in ("in", "out")]
        self._effects = (sides[0] or None, sides[1] or None)
        for link in list(self._links):
            link.impair(*self._effects)

    def state(self) -> dict[str, Any]:
        """Return the body of `GET /state`."""
        return {
            "open": self.listener.is_open,
            "listen": "{}:{}".format(*self.listener.address),
            "upstream": "{}:{}".format(*self.listener.upstream),
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
            # No time-out, because a paused backend with a full backlog would also keep its clients waiting.
            await loop.create_connection(lambda: link.upstream, *self.listener.upstream)
        except OSError:
            link.reset()
            self.listener.doubt()
            return
        if link.client.transport is None:
            link.upstream.finish()  # the client has disconnected

    def _spawn(self, work: Any, *args: Any) -> None:
        coroutine: Coroutine[Any, Any, None] = work(*args)
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
