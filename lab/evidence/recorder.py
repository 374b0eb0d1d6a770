"""Records every event of a run: converts its time, writes it to `events.jsonl`, and reports it as progress."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from .clock import ClockOffset, RunClock
from .events import Event, EventLog
from .progress import Progress


class Recorder:
    """Recorder of one run's events. Every method raises OSError if events cannot be written (disk full)."""

    def __init__(self, run_dir: Path, clock: RunClock, progress: Progress) -> None:
        self.clock = clock
        self._log = EventLog(run_dir / "events.jsonl")
        self._progress = progress

    def note(self, kind: str, data: Mapping[str, Any] | None = None) -> None:
        """Record an event of the lab itself at the present time, or at 0 if the run has not started."""
        self.record(Event(max(0.0, self.clock.now()), "lab", kind, data or {}))

    def phase(self, name: str, ends_at: float | None = None) -> None:
        """Record that a phase begins now; `ends_at` is an estimate in seconds since the run's start."""
        self.note("phase", {"name": name, "ends_at": ends_at})
        self._progress.phase(max(0.0, self.clock.now()), name, ends_at)

    def record(self, event: Event) -> None:
        """Write one event and report it as progress."""
        self._log.write(event)
        self._progress.event(event)

    async def collect(self, source: str, stream: AsyncIterator[Mapping[str, Any]], offset: ClockOffset) -> None:
        """Record the events of a service until its stream ends, except those from before the run's start."""
        async for message in stream:
            t = self.clock.of(float(message["mono"]), offset)
            if t >= 0.0:
                own = {name: value for name, value in message.items() if name not in {"mono", "type"}}
                self.record(Event(t, source, str(message["type"]), own))

    def close(self) -> None:
        """Close `events.jsonl`."""
        self._log.close()
