"""Puts everything that happens in a run on its axis, into `events.jsonl`, and before whoever watches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from .clock import ClockOffset, RunClock
from .events import Event, EventLog
from .progress import Progress


class Recorder:
    """One run's events. Raises OSError from every method when they cannot be kept (disk full)."""

    def __init__(self, run_dir: Path, clock: RunClock, progress: Progress) -> None:
        self.clock = clock
        self._log = EventLog(run_dir / "events.jsonl")
        self._progress = progress

    def note(self, kind: str, data: Mapping[str, Any] | None = None) -> None:
        """Something the lab did or found, now. What was found before the start is put at the start."""
        self.record(Event(max(0.0, self.clock.now()), "lab", kind, data or {}))

    def phase(self, name: str, ends_at: float | None = None) -> None:
        """A phase begins now."""
        self.note("phase", {"name": name, "ends_at": ends_at})
        self._progress.phase(max(0.0, self.clock.now()), name, ends_at)

    def record(self, event: Event) -> None:
        """Keep and show one event."""
        self._log.write(event)
        self._progress.event(event)

    async def collect(self, source: str, stream: AsyncIterator[Mapping[str, Any]], offset: ClockOffset) -> None:
        """Record a service's events for as long as its stream lasts; those from before the run are left out."""
        async for message in stream:
            t = self.clock.of(float(message["mono"]), offset)
            if t >= 0.0:
                own = {name: value for name, value in message.items() if name not in {"mono", "type"}}
                self.record(Event(t, source, str(message["type"]), own))

    def close(self) -> None:
        """The run is over."""
        self._log.close()
