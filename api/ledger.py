"""The ledger of executed jobs. Each instance has an append-only file in a folder that all instances share.

A line is written with one `write()` on an `O_APPEND` descriptor before the response is sent. Data that the kernel has
survives the end of the process, so every acknowledged job is in the ledger. fsync is not needed, because the lab kills
processes, not machines.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from .errors import LedgerError


@dataclass(frozen=True, slots=True)
class Entry:
    """One executed job. `mono` is the executing process' monotonic clock, `unix` the wall clock, both in seconds."""

    id: str
    instance: str
    mono: float
    unix: float


class Ledger:
    """Appends to the file of this instance and reads the files of all instances."""

    def __init__(self, folder: Path, instance: str) -> None:
        """Create the folder and open the file. Raise OSError if that is not possible."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._instance = instance
        self._fd = os.open(folder / f"{instance}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def append(self, job_id: str, mono: float, unix: float) -> Entry:
        """Record an execution. Return when the kernel has the line. Raise LedgerError if it cannot be written."""
        entry = Entry(job_id, self._instance, mono, unix)
        line = json.dumps(asdict(entry), separators=(",", ":")).encode() + b"\n"
        try:
            written = os.write(self._fd, line)
        except OSError as error:
            raise LedgerError(f"job {job_id}: {error.strerror}") from error
        if written != len(line):
            raise LedgerError(f"job {job_id}: only {written} of {len(line)} bytes were written")
        return entry

    def entries(self, prefix: str = "") -> list[Entry]:
        """Return the executions, by all instances, of jobs whose id starts with `prefix`, oldest first."""
        found = (entry for path in self._folder.glob("*.jsonl") if path.is_file() for entry in _read(path))
        return sorted((entry for entry in found if entry.id.startswith(prefix)), key=lambda entry: entry.unix)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _read(path: Path) -> Iterator[Entry]:
    """Yield the entries that name the same instance as the file. Others are ignored, because each instance writes only
    to its own file."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        yield from (entry for entry in _parse(lines) if entry.instance == path.stem)


def _parse(lines: Iterable[str]) -> Iterator[Entry]:
    """Yield the valid entries. A line can be incomplete if its instance is still writing it or its disk is full."""
    for line in lines:
        try:
            yield Entry(**json.loads(line))
        except (ValueError, TypeError):
            continue
