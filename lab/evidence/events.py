"""The events of a run (`events.jsonl`): those of the balancer, of the chaos service and of the lab, on one time axis.

The lab's own events contain everything else that checkers need, so a run can be judged from its folder alone:
`run_started` `act` `clock` `config` `bounds` `backends` `targets` `phase` `step` `fault` `stall` `wall_step`
`not_readmitted` `ledger` `ledger_missing` `interrupted` `run_ended`. Entries of the backends' ledgers are events of
source `api` and type `executed`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern
from typing import Any

from ..output.json_text import dumps, loads


@dataclass(frozen=True, slots=True)
class Event:
    """An event at `t` seconds since the run's start; `data` holds the fields that its type defines."""

    t: float
    source: str
    """`lb`, `chaos`, `api`, `traffic` or `lab`."""
    type: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def to_line(self) -> str:
        """Return the event as one line of `events.jsonl`."""
        own = {"t": round(self.t, 6), "source": self.source, "type": self.type}
        return dumps({**self.data, **own}) + "\n"

    @classmethod
    def from_line(cls, raw: dict[str, Any]) -> Event:
        """Return the event that a line of `events.jsonl` holds. Raise KeyError or TypeError if it is not one.

        Strings that most events repeat are interned, so that a long run needs less memory.
        """
        t, source, kind = raw.pop("t"), intern(raw.pop("source")), intern(raw.pop("type"))
        data = {intern(name): value for name, value in raw.items()}
        if isinstance(data.get("instance"), str):
            data["instance"] = intern(data["instance"])
        return cls(t, source, kind, data)


class EventLog:
    """Writer of `events.jsonl`. Events are passed to the kernel at once, in order of arrival, not of time."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o644)

    def write(self, event: Event) -> None:
        """Append one event. Raise OSError (disk full)."""
        line = memoryview(event.to_line().encode())
        while line:
            line = line[os.write(self._descriptor, line) :]

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class Events:
    """All events of a run, in order of time."""

    all: tuple[Event, ...]
    defects: tuple[str, ...] = ()
    """Descriptions of the lines that could not be read."""

    def of(self, source: str, *types: str) -> list[Event]:
        """Return the events of one source. If types are given, return only those."""
        return [event for event in self.all if event.source == source and (not types or event.type in types)]

    def last(self, source: str, kind: str) -> Event | None:
        """Return the latest event of this source and type, or None."""
        found = self.of(source, kind)
        return found[-1] if found else None


def read_events(path: Path) -> Events:
    """Read `events.jsonl`, which may be cut off anywhere. Raise OSError if the file cannot be read."""
    events: list[Event] = []
    defects: list[str] = []
    with path.open("rb") as lines:
        for number, raw in enumerate(lines, 1):
            try:
                events.append(Event.from_line(loads(raw)))
            except (ValueError, KeyError, TypeError):
                defects.append(f"events.jsonl line {number} is incomplete or unreadable")
    events.sort(key=lambda event: event.t)
    return Events(tuple(events), tuple(defects))
