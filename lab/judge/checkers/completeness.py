"""Is the record whole? A verdict may only rest on a run that went to its end and lost nothing."""

from __future__ import annotations

from ...evidence.record import RunRecord
from ...evidence.verdict import Check, Verdict

NAME = "completeness"
_SHOWN = 3
_SHUFFLED = 20
"""More than the events that one turn of an event loop tells."""


def check(run: RunRecord) -> Check:
    """Unknown when the run was cut short, a line is damaged, or an invocation has no outcome."""
    complaints = [*run.history.defects[:_SHOWN], *run.events.defects[:_SHOWN]]
    open_ended = sum(request.outcome is None for request in run.history.requests)
    if open_ended:
        complaints.append(f"{open_ended} requests have no outcome")
    complaints += _gaps(run)
    if not run.completed:
        complaints.append(_interruption(run))
    if complaints:
        return Check(NAME, Verdict.UNKNOWN, "; ".join(complaints))
    told = f"{len(run.history.requests)} requests (warm-up included), every one with its outcome"
    return Check(NAME, Verdict.PASS, told)


def _gaps(run: RunRecord) -> list[str]:
    """Numbered events that never arrived."""
    complaints = []
    for source in ("lb", "chaos"):
        numbers = [event.data["seq"] for event in run.events.of(source) if isinstance(event.data.get("seq"), int)]
        missing = sum(max(life) - min(life) + 1 - len(life) for life in _lives(numbers))
        if missing:
            complaints.append(f"{missing} events of {source} are missing")
    return complaints


def _lives(numbers: list[int]) -> list[set[int]]:
    """One set a life of the service: a number that falls far is one that began again.

    A little they may fall: numbers are given when events are told, times when things happened.
    """
    lives: list[set[int]] = []
    latest = None
    for number in numbers:
        if latest is None or number < latest - _SHUFFLED:
            lives.append(set())
            latest = number
        lives[-1].add(number)
        latest = max(latest, number)
    return lives


def _interruption(run: RunRecord) -> str:
    event = run.events.last("lab", "interrupted")
    return f"the run was interrupted: {event.data['reason']}" if event else "the run did not come to its end"
