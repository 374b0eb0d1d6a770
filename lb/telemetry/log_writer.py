"""Structured log lines, written by a thread: a reader of the log, or a disk, that stalls must not stall traffic."""

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
"""Lines that may wait for a stalled reader, about 4 MB; more are dropped and counted."""
GATHER_S = 0.02
"""The thread wakes for the first line and takes what has come so long after it: waking for each one costs more than
wording it, since the thread and the event loop then fight over the interpreter's lock."""

Words = Callable[[Any], str]
"""What follows time and event in the JSON of a line, from whatever it is about; called by the thread."""


class Line(NamedTuple):
    """One line that is not put into words yet."""

    at: float
    event: str
    words: Words
    about: Any


class Lines:
    """Accepts lines from the event loop without ever blocking it."""

    def __init__(self, out: TextIO = sys.stdout, max_waiting: int = MAX_WAITING, *, whole: bool = False) -> None:
        """`whole` never lets a line be torn by what other processes write to the same pipe."""
        self._out = out
        self._whole = whole
        self._max_waiting = max_waiting
        self._queue: SimpleQueue[Line | TextIO | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._closing = threading.Event()
        self.dropped = 0

    def start(self) -> None:
        """From now on lines are written."""
        self._thread.start()

    def put(self, event: str, **fields: Any) -> None:
        """One line: the time, what happened, and whatever belongs to it."""
        self.put_later(event, in_json, fields)

    def put_later(self, event: str, words: Words, about: Any) -> None:
        """One line whose rest is `words(about)`, to be asked for by the thread: nothing may change in it any more."""
        if self._queue.qsize() >= self._max_waiting:
            self.dropped += 1
            return
        self._queue.put(Line(time.time(), event, words, about))

    def turn_to(self, out: TextIO) -> None:
        """Write later lines to `out`, and close what earlier ones were written to."""
        self._queue.put(out)

    def close(self, timeout: float = 1.0) -> None:
        """Write what waits, within `timeout` seconds."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join(timeout)

    # --- the thread's ---

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            self._closing.wait(GATHER_S)
            waiting, last = self._drained(first)
            self._write(waiting)
            if last:
                return

    def _drained(self, first: Line | TextIO) -> tuple[list[Line | TextIO], bool]:
        """What waits, and whether nothing comes after it."""
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
                lines.append(worded(item))
            else:
                self._write_out(lines)
                lines = []
                self._turn_to(item)
        self._write_out(lines)

    def _write_out(self, lines: Sequence[str]) -> None:
        for count, text in portions(lines, select.PIPE_BUF if self._whole else sys.maxsize):
            try:
                self._out.write(text)
                self._out.flush()
            except (OSError, ValueError):  # the reader is gone, the disk full; traffic goes on without a log
                self.dropped += count

    def _turn_to(self, out: TextIO) -> None:
        before, self._out = self._out, out
        if before not in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                before.close()


def portions(lines: Sequence[str], limit: int) -> Iterator[tuple[int, str]]:
    """Lines put together, each portion with their number; up to `limit` characters where a single line is not longer.

    Up to PIPE_BUF the kernel writes to a pipe in one piece (pipe(7)); our JSON is ASCII.
    """
    start, size = 0, 0
    for at, line in enumerate(lines):
        if size and size + len(line) > limit:
            yield at - start, "".join(lines[start:at])
            start, size = at, 0
        size += len(line)
    if size:
        yield len(lines) - start, "".join(lines[start:])


def worded(line: Line) -> str:
    """The line as it is written, its end included."""
    rest = line.words(line.about)
    second = int(line.at)
    when = f"{_second(second)}.{int((line.at - second) * 1000):03d}+00:00"
    return f'{{"time": "{when}", "event": "{line.event}"{", " if rest else ""}{rest}}}\n'


def in_json(fields: dict[str, Any]) -> str:
    """The fields of a mapping."""
    return json.dumps(fields)[1:-1]


@lru_cache(maxsize=2)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
