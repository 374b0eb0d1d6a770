"""The events of a run on its one axis (`events.jsonl`): the balancer's, the chaos service's, the lab's own.

The lab's own events carry everything else that a later judgement needs, so that the run's folder is complete:
`run_started` `act` `clock` `config` `bounds` `backends` `targets` `phase` `step` `fault` `stall` `wall_step`
`not_readmitted` `ledger` `ledger_missing` `interrupted` `run_ended`; and `source: "api"` events of type `executed` are
the backends' ledger entries, put on the same axis.
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
    """Something happened at `t` seconds since the run's start; `data` holds the event's own fields."""

    t: float
    source: str
    """`lb`, `chaos`, `api`, `traffic` or `lab`."""
    type: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def to_line(self) -> str:
        """One line of `events.jsonl`."""
        own = {"t": round(self.t, 6), "source": self.source, "type": self.type}
        return dumps({**self.data, **own}) + "\n"

    @classmethod
    def from_line(cls, raw: dict[str, Any]) -> Event:
        """Raises KeyError or TypeError when it is no event. Words that every event repeats are kept once."""
        t, source, kind = raw.pop("t"), intern(raw.pop("source")), intern(raw.pop("type"))
        data = {intern(name): value for name, value in raw.items()}
        if isinstance(data.get("instance"), str):
            data["instance"] = intern(data["instance"])
        return cls(t, source, kind, data)


class EventLog:
    """Appends to `events.jsonl`, each event handed to the kernel at once. Order of arrival, not of time."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o644)

    def write(self, event: Event) -> None:
        """Raises OSError (disk full), also where the kernel took a part of the line."""
        line = memoryview(event.to_line().encode())
        while line:
            line = line[os.write(self._descriptor, line) :]

    def close(self) -> None:
        """No event can follow."""
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class Events:
    """All events in order of time, and what is wrong with the record itself."""

    all: tuple[Event, ...]
    defects: tuple[str, ...] = ()

    def of(self, source: str, *types: str) -> list[Event]:
        """Those of one source and, when any are named, of these types."""
        return [event for event in self.all if event.source == source and (not types or event.type in types)]

    def last(self, source: str, kind: str) -> Event | None:
        """The latest of its kind."""
        found = self.of(source, kind)
        return found[-1] if found else None


def read_events(path: Path) -> Events:
    """Read `events.jsonl`, however it ended. Raises OSError when there is none to read."""
    events: list[Event] = []
    defects: list[str] = []
    with path.open("rb") as lines:
        for number, raw in enumerate(lines, 1):
            try:
                events.append(Event.from_line(loads(raw)))
            except (ValueError, KeyError, TypeError):
                defects.append(f"events.jsonl line {number} is torn or unreadable")
    events.sort(key=lambda event: event.t)
    return Events(tuple(events), tuple(defects))
