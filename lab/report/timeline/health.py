"""Each backend's standing over time, read from what the balancer said of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...evidence.events import Event
from ..run_files import Run

REMOVED = "removed"
Word = tuple[str, str | None, str]
"""(the balancer's id, state or None once it has left, reason)."""


@dataclass(frozen=True, slots=True)
class Standing:
    """`state` held from `start` to `end` (seconds); `reason` is why it began, in the balancer's words."""

    state: str
    start: float
    end: float
    reason: str = ""


def standings(run: Run, backend: str, end: float) -> list[Standing]:
    """How `backend` stood from the first thing known of it until `end`, without gaps. Suspicion shows as a state."""
    changes = list(_changes(run, backend))
    ends = [at for at, _, _ in changes[1:]] + [end]
    return [
        Standing(state, at, until, reason)
        for (at, state, reason), until in zip(changes, ends, strict=False)  # no change, and `ends` is one too long
        if until > at
    ]


def _changes(run: Run, backend: str) -> Iterator[tuple[float, str, str]]:
    """(time, state, reason) of each change.

    A replica that comes back at another address is a new backend to the balancer while the old one drains out: the
    one that was spoken of last, and is still known, counts.
    """
    known: dict[str, str] = {}
    shown = ""
    for event in run.events.all:
        for backend_id, state, reason in _said(event):
            if run.names.get(backend_id, backend_id) != backend:
                continue
            if not shown and event.type == "transition":
                shown = str(event.data.get("old"))
                yield min(0.0, event.t), shown, ""
            known.pop(backend_id, None)
            if state is not None:
                known[backend_id] = state
            now = next(reversed(known.values()), REMOVED)
            if now != shown:
                shown = now
                yield event.t, now, reason


def _said(event: Event) -> Iterable[Word]:
    data = event.data
    if (event.source, event.type) == ("lab", "backends"):
        return [(str(each["id"]), _word(each), "") for each in data.get("backends", ())]
    if event.source != "lb":
        return []
    words = {
        "added": "unknown",
        "transition": str(data.get("new")),
        "suspected": "suspected",
        "cleared": "up",  # only a backend that is up can be suspected
        "removed": None,
    }
    told = (str(data.get("backend") or ""), words.get(event.type), str(data.get("reason") or ""))
    return [told] if event.type in words else []


def _word(backend: Mapping[str, Any]) -> str:
    """The state in a record of `GET /backends`."""
    state = str(backend.get("state"))
    return "suspected" if state == "up" and backend.get("suspected") else state
