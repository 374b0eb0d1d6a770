"""Structured log lines, written by a thread: a reader of the log, or a disk, that stalls must not stall traffic."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Any, TextIO

MAX_WAITING = 10_000
"""Lines that may wait for a stalled reader, about 4 MB; more are dropped and counted."""

Line = tuple[float, str, Mapping[str, Any]]


class Lines:
    """Accepts lines from the event loop without ever blocking it; they are put into words by the thread."""

    def __init__(self, out: TextIO = sys.stdout, max_waiting: int = MAX_WAITING, *, whole: bool = False) -> None:
        """`whole` writes each line by itself: other processes write to the same place."""
        self._out = out
        self._whole = whole
        self._max_waiting = max_waiting
        self._queue: SimpleQueue[Line | TextIO | None] = SimpleQueue()
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
        self._queue.put((time.time(), event, fields))

    def turn_to(self, out: TextIO) -> None:
        """Write later lines to `out`, and close what earlier ones were written to."""
        self._queue.put(out)

    def close(self, timeout: float = 1.0) -> None:
        """Write what waits, within `timeout` seconds."""
        self._queue.put(None)
        self._thread.join(timeout)

    def _write(self) -> None:
        while (item := self._queue.get()) is not None:
            try:
                if isinstance(item, tuple):
                    self._out.write(worded(item))
                else:
                    self._turn_to(item)
                if self._whole or self._queue.empty():
                    self._out.flush()
            except (OSError, ValueError):  # the reader is gone, the disk full; traffic goes on without a log
                self.dropped += 1

    def _turn_to(self, out: TextIO) -> None:
        before, self._out = self._out, out
        with suppress(OSError, ValueError):
            before.flush()
            if before not in (sys.stdout, sys.stderr):
                before.close()


def worded(line: Line) -> str:
    """The line as it is written, its end included."""
    at, event, fields = line
    when = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return json.dumps({"time": when, "event": event, **fields}) + "\n"
