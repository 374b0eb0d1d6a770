"""A bounded log of numbered events that any number of clients can follow from any point."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from .records import FaultRecord

REPLAYABLE = 10_000
"""Number of events kept for `?since=`, the same as in the balancer's stream."""

Event = dict[str, Any]


class EventLog:
    """Events of one process. `seq` starts at 1 with every start of the process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._events: deque[Event] = deque(maxlen=REPLAYABLE)
        self._seq = 0
        self._news = asyncio.Event()
        self._closed = False
        self.readers = 0
        """Event streams that are open."""

    def emit(self, type_: str, record: FaultRecord | None = None, **fields: Any) -> None:
        """Append one event, with a copy of `record` if one is given, and wake all followers."""
        self._seq += 1
        event: Event = {"seq": self._seq, "mono": self._clock(), "type": type_, **fields}
        if record is not None:
            event |= {"target": record.target, "fault": record.model_dump(mode="json")}
        self._events.append(event)
        self._wake()

    def since(self, seq: int) -> list[Event]:
        """Return the events after `seq`, as far back as they are kept."""
        return [event for event in self._events if event["seq"] > seq]

    async def follow(self, seq: int, idle_s: float | None = None) -> AsyncIterator[Event | None]:
        """Yield the events after `seq`, then new ones until the log is closed, and None after `idle_s` without one."""
        while True:
            news = self._news
            for event in self.since(seq):
                seq = event["seq"]
                yield event
            if self._closed and not self.since(seq):
                return
            try:
                async with asyncio.timeout(idle_s):
                    await news.wait()
            except TimeoutError:
                yield None

    def close(self) -> None:
        """Close the log, which ends all followers."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
