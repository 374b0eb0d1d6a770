"""What goes out leaves once the event loop has told everything that this turn brought, in one go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

Soon = Callable[[Callable[[], None]], object]
"""Calls it in the event loop's next turn: `loop.call_soon`."""

_MOST: Final = 256 * 1024
"""Bytes that may wait. One read of the event loop can bring as much, and there may be hundreds of them in a turn."""


class Outbox:
    """Writes that wait for the end of a turn: microseconds on a quiet balancer, a batch of segments on a busy one.

    A write to a sleeping process wakes its processor, which costs as much as the rest of the write; the second in a row
    finds it awake. And what reads and what writes do not push each other out of the processor's caches.

    The order of writes is kept, on each transport and between them. Whoever ends a connection in an orderly way, or
    hands its transport on, calls `flush` first; one that is aborted loses what still waits, as it should.
    """

    def __init__(self, soon: Soon) -> None:
        self._soon = soon
        self._due = False
        self._waiting: list[tuple[asyncio.Transport, bytes]] = []
        self._next = 0
        """The first of those that is not written: a write may bring about another one, and that a flush inside ours."""
        self._size = 0

    def put(self, transport: asyncio.Transport, data: bytes) -> None:
        """Write `data` in a moment."""
        self._waiting.append((transport, data))
        self._size += len(data)
        if self._size > _MOST:
            self.flush()
        elif not self._due:
            self._due = True
            self._soon(self._turn)

    def flush(self) -> None:
        """Write now all that waits."""
        while self._next < len(self._waiting):
            transport, data = self._waiting[self._next]
            self._next += 1
            if not transport.is_closing():
                transport.write(data)
        self._waiting.clear()
        self._next = 0
        self._size = 0

    def _turn(self) -> None:
        self._due = False
        self.flush()
