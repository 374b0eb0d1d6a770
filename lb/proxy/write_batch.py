"""Collects all writes of one turn of the event loop and performs them together at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

CallSoon = Callable[[Callable[[], None]], object]
"""`loop.call_soon`: calls the function in the next turn of the event loop."""

_MOST: Final = 256 * 1024
"""Bytes that may wait. One read of the event loop can bring as many, and a turn may have hundreds of reads."""


class WriteBatch:
    """Delays writes to the end of a turn: microseconds if the balancer is idle, a batch of segments if it is busy.

    A write to a sleeping process wakes its processor, which costs as much as the rest of the write; for the next write
    it is awake. Also, the code that reads and the code that writes do not displace each other in the processor's
    caches.

    The order of writes is kept, for each transport and among them. Call `flush` before closing a connection gracefully
    or handing over its transport. If a connection is aborted, its waiting writes are lost, as they should be.
    """

    def __init__(self, soon: CallSoon) -> None:
        self._soon = soon
        self._due = False
        self._waiting: list[tuple[asyncio.Transport, bytes]] = []
        self._next = 0
        """Index of the first one that is not written. A write may cause another, and that one a nested `flush`."""
        self._size = 0

    def put(self, transport: asyncio.Transport, data: bytes) -> None:
        """Write `data` at the end of the turn."""
        self._waiting.append((transport, data))
        self._size += len(data)
        if self._size > _MOST:
            self.flush()
        elif not self._due:
            self._due = True
            self._soon(self._turn)

    def flush(self) -> None:
        """Perform all waiting writes now."""
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
