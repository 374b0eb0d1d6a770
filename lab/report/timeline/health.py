"""Each backend's standing over time, read from the balancer's own events."""

from __future__ import annotations

from dataclasses import dataclass

from lab.events import Event
from lab.report.run import Run

SUSPECTED = "suspected"
NOT_RECORDED = "not recorded"


@dataclass(frozen=True, slots=True)
class Standing:
    """`state` held from `start` to `end` (seconds); `reason` is why it began, in the balancer's words."""

    state: str
    start: float
    end: float
    reason: str = ""


def standings(run: Run, backend: str, end: float) -> list[Standing]:
    """How `backend` stood from the first thing known of it until `end`, without gaps. Suspicion shows as a state."""
    changes = _changes([e for e in run.events.of("lb") if _name(run, e) == backend])
    ends = [at for at, _, _ in changes[1:]] + [end]
    return [
        Standing(state, at, until, reason)
        for (at, state, reason), until in zip(changes, ends, strict=False)  # no change, and `ends` is one too long
        if until > at
    ]


def _changes(events: list[Event]) -> list[tuple[float, str, str]]:
    """(time, state, reason) of each change, the state before the first one included."""
    state, suspected = NOT_RECORDED, False
    changes: list[tuple[float, str, str]] = []
    for event in events:
        before = SUSPECTED if suspected else state
        match event.type:
            case "transition":
                if state == NOT_RECORDED:
                    changes.append((min(0.0, event.t), str(event.data.get("old")), ""))
                state, suspected = str(event.data.get("new")), False
            case "suspected" | "cleared":
                suspected = event.type == "suspected"
            case "removed":
                state, suspected = "removed", False
            case _:
                continue
        if (now := SUSPECTED if suspected else state) != before:
            changes.append((event.t, now, str(event.data.get("reason") or "")))
    return changes


def _name(run: Run, event: Event) -> str:
    backend = str(event.data.get("backend") or "")
    return run.names.get(backend, backend)
