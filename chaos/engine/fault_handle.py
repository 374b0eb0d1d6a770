"""One fault while this process lives: its entry, and the tasks and the timer that work on it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from .records import Entry, FaultRecord


@dataclass(eq=False)
class Life:
    """Owned by the engine."""

    entry: Entry
    injecting: asyncio.Task[FaultRecord] | None = None
    healing: asyncio.Task[None] | None = None
    expiry: asyncio.TimerHandle | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the injection is over, one way or the other."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a heal begins: whoever still verifies may stop."""

    def settle(self, _: object = None) -> None:
        """The injection is over: a heal may begin."""
        self.settled.set()

    @property
    def record(self) -> FaultRecord:
        return self.entry.record
