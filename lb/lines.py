"""Structured log lines on stdout, written by a thread: a reader of the log that stalls must not stall traffic."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Any, TextIO

MAX_WAITING = 10_000
"""Lines that may wait for a stalled reader, about 4 MB; more are dropped and counted."""


class Lines:
    """Accepts lines from the event loop without ever blocking it."""

    def __init__(self, out: TextIO = sys.stdout, max_waiting: int = MAX_WAITING) -> None:
        self._out = out
        self._max_waiting = max_waiting
        self._queue: SimpleQueue[Mapping[str, Any] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self.dropped = 0

    def start(self) -> None:
        """From now on lines are written."""
        self._thread.start()

    def put(self, event: str, **fields: Any) -> None:
        """One line: the time, what happened, and whatever belongs to it."""
        if self._queue.qsize() >= self._max_waiting:
            self.dropped += 1
            return
        self._queue.put({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **fields})

    def close(self, timeout: float = 1.0) -> None:
        """Write what waits, within `timeout` seconds."""
        self._queue.put(None)
        self._thread.join(timeout)

    def _write(self) -> None:
        while (line := self._queue.get()) is not None:
            try:
                self._out.write(json.dumps(line) + "\n")
                if self._queue.empty():
                    self._out.flush()
            except (OSError, ValueError):  # the reader is gone; traffic goes on without a log
                self.dropped += 1
