"""The last events of the core, numbered, so that readers can start late, fall behind, or reconnect."""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any

from ..core.events import Event

CAPACITY = 10_000
"""Number of kept entries, enough for an experiment: probes of three backends emit 6 events per second, and a fault
under load some hundreds."""


@dataclass(slots=True)
class Entry:
    """One event and its sequence number; the first is 1."""

    seq: int
    event: Event
    sse: bytes = b""
    """The entry as a server-sent event, formatted once for all readers, when the first of them reads it."""


class EventLog:
    """A ring buffer of entries. Writing never waits for readers; each reader keeps its own position."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._entries: deque[Entry] = deque(maxlen=capacity)
        self._waiting: set[asyncio.Future[None]] = set()
        self.last_seq = 0
        self.readers = 0
        """Streams that follow the log."""

    def append(self, event: Event) -> None:
        """Append the event and wake the readers that wait for one."""
        self.last_seq += 1
        self._entries.append(Entry(self.last_seq, event))
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    @property
    def first_seq(self) -> int:
        """Sequence number of the oldest entry that is still kept."""
        return self.last_seq - len(self._entries) + 1

    def after(self, seq: int) -> list[Entry]:
        """Return the kept entries after `seq`."""
        return list(islice(self._entries, max(0, seq + 1 - self.first_seq), None))

    async def grown(self, seq: int) -> None:
        """Wait until there is an entry after `seq`."""
        while self.last_seq <= seq:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            try:
                await waiter
            finally:
                self._waiting.discard(waiter)


def as_dict(event: Event) -> dict[str, Any]:
    """Return the event for JSON: its type in snake case, its time as `mono`, and its other fields."""
    name, names = _SHAPES.get(type(event)) or _json_shape(type(event))
    return {"mono": event.at, "type": name, **{field: getattr(event, field) for field in names}}


def as_sse(entry: Entry) -> bytes:
    """Return the entry as one server-sent event."""
    if not entry.sse:
        data = {"seq": entry.seq, **as_dict(entry.event)}
        entry.sse = f"id: {entry.seq}\nevent: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()
    return entry.sse


_SHAPES: dict[type[Event], tuple[str, tuple[str, ...]]] = {}
"""Event class → its name in JSON, and its fields without the time."""


def _json_shape(kind: type[Event]) -> tuple[str, tuple[str, ...]]:
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
    shape = name, tuple(field.name for field in fields(kind) if field.name != "at")
    _SHAPES[kind] = shape
    return shape
