"""The last events of the core, numbered, for readers that come late, fall behind or come back."""

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
"""Enough for a whole experiment: three backends' probes make 6 events a second, a fault under load some hundreds."""


@dataclass(slots=True)
class Entry:
    """One event and its place in the stream; the first is 1."""

    seq: int
    event: Event
    sse: bytes = b""
    """The entry as one server-sent event, once a reader has asked for it: every reader gets the same bytes."""


class EventLog:
    """A ring of entries. Writing never waits for a reader; a reader keeps nothing but its position."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._entries: deque[Entry] = deque(maxlen=capacity)
        self._waiting: set[asyncio.Future[None]] = set()
        self.last_seq = 0
        self.readers = 0
        """Streams that follow it."""

    def append(self, event: Event) -> None:
        """Number the event and wake whoever waits for one."""
        self.last_seq += 1
        self._entries.append(Entry(self.last_seq, event))
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    @property
    def first_seq(self) -> int:
        """The oldest entry that is still here."""
        return self.last_seq - len(self._entries) + 1

    def after(self, seq: int) -> list[Entry]:
        """What came after `seq` and is still here."""
        return list(islice(self._entries, max(0, seq + 1 - self.first_seq), None))

    async def grown(self, seq: int) -> None:
        """Wait until there is something after `seq`."""
        while self.last_seq <= seq:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            try:
                await waiter
            finally:
                self._waiting.discard(waiter)


def as_dict(event: Event) -> dict[str, Any]:
    """The event as JSON shows it: its type in snake case, its time as `mono`, and its own fields."""
    name, own = _SHAPES.get(type(event)) or _learn_shape(type(event))
    return {"mono": event.at, "type": name, **{field: getattr(event, field) for field in own}}


def as_sse(entry: Entry) -> bytes:
    """Return the entry as one server-sent event."""
    if not entry.sse:
        data = {"seq": entry.seq, **as_dict(entry.event)}
        entry.sse = f"id: {entry.seq}\nevent: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()
    return entry.sse


_SHAPES: dict[type[Event], tuple[str, tuple[str, ...]]] = {}
"""Per kind of event: its name on the wire and the fields that it has beside its time."""


def _learn_shape(kind: type[Event]) -> tuple[str, tuple[str, ...]]:
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
    shape = name, tuple(field.name for field in fields(kind) if field.name != "at")
    _SHAPES[kind] = shape
    return shape
