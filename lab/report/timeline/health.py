"""The state of each backend over time, from the balancer's events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...evidence.events import Event
from ..run_files import Run

REMOVED = "removed"
StateChange = tuple[str, str | None, str]
"""Backend id, new state (None if the backend was removed), reason."""


@dataclass(frozen=True, slots=True)
class HealthSpan:
    """A state of a backend from `start` to `end` in seconds. `reason` is the balancer's reason for entering it."""

    state: str
    start: float
    end: float
    reason: str = ""


def health_spans(run: Run, backend: str, end: float) -> list[HealthSpan]:
    """Return the states of the backend named `backend`, without gaps, from the first known state to `end` seconds.

    `suspected` is treated as a state.
    """
    changes = list(_changes(run, backend))
    ends = [at for at, _, _ in changes[1:]] + [end]
    return [
        HealthSpan(state, at, until, reason)
        for (at, state, reason), until in zip(changes, ends, strict=False)  # without changes, `ends` is one longer
        if until > at
    ]


def _changes(run: Run, backend: str) -> Iterator[tuple[float, str, str]]:
    """Yield time, state and reason of each change.

    For the balancer, a backend that returns at another address is a new backend, and the old id may stay for a while.
    Of the known ids, the id in the latest event counts.
    """
    known: dict[str, str] = {}
    shown = ""
    for event in run.events.all:
        for backend_id, state, reason in _state_changes(event):
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


def _state_changes(event: Event) -> Iterable[StateChange]:
    data = event.data
    if (event.source, event.type) == ("lab", "backends"):
        return [(str(each["id"]), _listed_state(each), "") for each in data.get("backends", ())]
    if event.source != "lb":
        return []
    states = {
        "added": "unknown",
        "transition": str(data.get("new")),
        "suspected": "suspected",
        "cleared": "up",  # only a backend that is up can be suspected
        "removed": None,
    }
    change = (str(data.get("backend") or ""), states.get(event.type), str(data.get("reason") or ""))
    return [change] if event.type in states else []


def _listed_state(backend: Mapping[str, Any]) -> str:
    """Return the state in an entry of `GET /backends`."""
    state = str(backend.get("state"))
    return "suspected" if state == "up" and backend.get("suspected") else state
