"""The write-ahead journal: a fault is on the disk before it is injected.

JSON lines, one for each change; the newest line of a fault id counts. Every append is fsynced. The chaos service and
the reaper both write, under a lock on a separate file, because compaction replaces the journal file itself.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from .records import Entry

KEPT = 200
"""How many healed faults a compaction keeps, for `GET /faults`."""


class Journal:
    """The journal in `directory`; the file is created by the first append."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "journal.jsonl"
        self._lock_path = directory / "journal.lock"

    def append(self, entry: Entry) -> None:
        """Append the entry; return when it is on the disk."""
        with self._locked():
            self._end_torn_line()
            _write_synced(self.path, entry.model_dump_json() + "\n", os.O_APPEND)
            _sync_directory(self.path.parent)

    def read(self) -> dict[str, Entry]:
        """Return the newest entry of every fault, oldest fault first.

        An incomplete line, left by a crash, is skipped: the change that it describes was not made yet.
        """
        entries: dict[str, Entry] = {}
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return entries
        for line in lines:
            try:
                entry = Entry.model_validate_json(line)
            except ValidationError:
                continue
            entries[entry.record.id] = entry
        return entries

    def compact(self) -> dict[str, Entry]:
        """Keep one line for each unhealed fault and the last `KEPT` others. A crash leaves the old or the new file."""
        with self._locked():
            entries = self.read()
            done = [key for key, entry in entries.items() if not entry.unhealed]
            for key in done[: max(0, len(done) - KEPT)]:
                del entries[key]
            fresh = self.path.with_suffix(".new")
            _write_synced(fresh, "".join(entry.model_dump_json() + "\n" for entry in entries.values()), os.O_TRUNC)
            fresh.replace(self.path)
            _sync_directory(self.path.parent)
        return entries

    def _end_torn_line(self) -> None:
        try:
            with self.path.open("rb+") as file:
                if file.seek(0, os.SEEK_END) and file.seek(-1, os.SEEK_END) >= 0 and file.read(1) != b"\n":
                    file.write(b"\n")
        except FileNotFoundError:
            return

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self._lock_path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _write_synced(path: Path, text: str, flags: int) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC | flags, 0o600)
    try:
        data = memoryview(text.encode())
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_directory(directory: Path) -> None:
    """Sync a folder; without that, the name of a new or renamed file may be lost in a crash (fsync(2))."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
