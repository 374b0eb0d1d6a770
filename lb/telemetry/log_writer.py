"""Structured log lines, written by a thread, so that a stalled reader or disk does not stall traffic."""

from __future__ import annotations

import json
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TextIO

MAX_WAITING = 10_000
"""Lines that may wait for a stalled reader, about 4 MB; further ones are dropped and counted."""
GATHER_S = 0.02
"""Seconds between the first line and the write, so that several lines are written at once. Waking the thread for each
line costs more than formatting it, because thread and event loop then compete for the interpreter's lock."""

Formatter = Callable[[Any], str]
"""Function that returns the JSON fields after time and event, without braces. The thread calls it."""


class Line(NamedTuple):
    """One log line, not formatted yet."""

    at: float
    """Unix time."""
    event: str
    formatter: Formatter
    subject: Any
    """The argument of `formatter`."""


class LogWriter:
    """Accepts lines from the event loop and never blocks it."""

    def __init__(self, out: TextIO = sys.stdout, max_waiting: int = MAX_WAITING, *, atomic: bool = False) -> None:
        """`atomic`: lines are not interleaved with those of other processes that write to the same pipe."""
        self._out = out
        self._atomic = atomic
        self._max_waiting = max_waiting
        self._queue: SimpleQueue[Line | TextIO | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._closing = threading.Event()
        self.dropped = 0
        """Lines that were not written: too many waited, or writing failed."""

    def start(self) -> None:
        """Start the thread, which then also writes the lines that were logged before."""
        self._thread.start()

    def put(self, event: str, **fields: Any) -> None:
        """Log one line: time, event and `fields`."""
        self.put_deferred(event, format_fields, fields)

    def put_deferred(self, event: str, formatter: Formatter, subject: Any) -> None:
        """Log one line with the fields `formatter(subject)`, called later by the thread: `subject` must not change."""
        if self._queue.qsize() >= self._max_waiting:
            self.dropped += 1
            return
        self._queue.put(Line(time.time(), event, formatter, subject))

    def redirect(self, out: TextIO) -> None:
        """Write further lines to `out`, and close the previous file."""
        self._queue.put(out)

    def close(self, timeout: float = 1.0) -> None:
        """Write the waiting lines, within `timeout` seconds, and end the thread."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join(timeout)

    # --- called by the thread ---

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            self._closing.wait(GATHER_S)
            waiting, last = self._drained(first)
            self._write(waiting)
            if last:
                return

    def _drained(self, first: Line | TextIO) -> tuple[list[Line | TextIO], bool]:
        """Return the waiting items, and whether the log was closed after them."""
        waiting = [first]
        with suppress(Empty):
            while (item := self._queue.get_nowait()) is not None:
                waiting.append(item)
            return waiting, True
        return waiting, False

    def _write(self, waiting: Sequence[Line | TextIO]) -> None:
        lines: list[str] = []
        for item in waiting:
            if isinstance(item, Line):
                lines.append(format_line(item))
            else:
                self._write_out(lines)
                lines = []
                self._redirect(item)
        self._write_out(lines)

    def _write_out(self, lines: Sequence[str]) -> None:
        for count, text in batches(lines, select.PIPE_BUF if self._atomic else sys.maxsize):
            try:
                self._out.write(text)
                self._out.flush()
            except (OSError, ValueError):  # no reader, or the disk is full; traffic continues without a log
                self.dropped += count

    def _redirect(self, out: TextIO) -> None:
        before, self._out = self._out, out
        if before not in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                before.close()


def batches(lines: Sequence[str], limit: int) -> Iterator[tuple[int, str]]:
    """Join lines into batches of at most `limit` characters, or one longer line; yield each with its number of lines.

    Writes to a pipe of up to PIPE_BUF bytes are atomic (pipe(7)). The JSON is ASCII, so characters are bytes.
    """
    start, size = 0, 0
    for at, line in enumerate(lines):
        if size and size + len(line) > limit:
            yield at - start, "".join(lines[start:at])
            start, size = at, 0
        size += len(line)
    if size:
        yield len(lines) - start, "".join(lines[start:])


def format_line(line: Line) -> str:
    """Return the line as JSON, with its line feed."""
    rest = line.formatter(line.subject)
    second = int(line.at)
    when = f"{_second(second)}.{int((line.at - second) * 1000):03d}+00:00"
    return f'{{"time": "{when}", "event": "{line.event}"{", " if rest else ""}{rest}}}\n'


def format_fields(fields: dict[str, Any]) -> str:
    """Return the fields as JSON without braces."""
    return json.dumps(fields)[1:-1]


@lru_cache(maxsize=2)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
