"""Collects all writes of one iteration of the event loop and performs them together at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

CallSoon = Callable[[Callable[[], None]], object]
"""Type of `loop.call_soon`, which calls a function in the next iteration of the event loop."""

_MOST: Final = 256 * 1024
"""Maximum number of bytes that may wait. One read can return this many, and an iteration may have hundreds of reads."""


class WriteBatch:
    """Delays writes to the end of the event loop's iteration: by microseconds if the balancer is idle, and until a
    batch of segments is read if it is busy.

    This saves CPU time. A write to a sleeping process wakes its processor, which costs as much as the write itself; for
    the next write of the batch it is awake. Also, the code for reading and the code for writing do not displace each
    other in the processor's caches.

    The order of all writes is kept. Call `flush` before closing a connection gracefully or passing its transport on. If
    a connection is aborted, its waiting writes are discarded.
    """

    def __init__(self, soon: CallSoon) -> None:
        self._soon = soon
        self._due = False
        self._waiting: list[tuple[asyncio.Transport, bytes]] = []
        self._next = 0
        """Index of the first waiting write, kept because a write may cause another one and a nested `flush`."""
        self._size = 0

    def put(self, transport: asyncio.Transport, data: bytes) -> None:
        """Write `data` at the end of the iteration."""
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
