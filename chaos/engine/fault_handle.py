"""The engine's handle on one fault: its journal entry, and the tasks and the timer that work on it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from .records import Entry, FaultRecord


@dataclass(eq=False)
class FaultHandle:
    """One fault in this process, from its order or the start of the process until the process ends."""

    entry: Entry
    injecting: asyncio.Task[FaultRecord] | None = None
    healing: asyncio.Task[None] | None = None
    expiry: asyncio.TimerHandle | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the injection has succeeded or failed."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a heal begins, which ends the verification."""

    def settle(self, _: object = None) -> None:
        """Note that the injection is over, so that a heal may begin."""
        self.settled.set()

    @property
    def record(self) -> FaultRecord:
        return self.entry.record
