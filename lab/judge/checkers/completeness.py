"""Is the record complete? A run that was cut short or lost data neither passes nor fails."""

from __future__ import annotations

from ...evidence.record import RunRecord
from ...evidence.verdict import Check, Verdict

NAME = "completeness"
FAILS_WHEN = "never"
UNKNOWN_WHEN = "the run was interrupted, a record is damaged, a request has no outcome, or a numbered event is missing"
_SHOWN = 3
_REORDERED = 20
"""How much event numbers may decrease in order of time: more than the events of one iteration of an event loop."""


def check(run: RunRecord) -> Check:
    """Look for damaged lines, requests without outcome, missing events and an early end of the run."""
    problems = [*run.history.defects[:_SHOWN], *run.events.defects[:_SHOWN]]
    open_ended = sum(request.outcome is None for request in run.history.requests)
    if open_ended:
        problems.append(f"{open_ended} requests have no outcome")
    problems += _gaps(run)
    if not run.completed:
        problems.append(_interruption(run))
    if problems:
        return Check(NAME, Verdict.UNKNOWN, "; ".join(problems))
    return Check(NAME, Verdict.PASS, f"{len(run.history.requests)} requests (warm-up included), each with an outcome")


def _gaps(run: RunRecord) -> list[str]:
    """Return, for each service, how many of its numbered events are missing."""
    problems = []
    for source in ("lb", "chaos"):
        numbers = [event.data["seq"] for event in run.events.of(source) if isinstance(event.data.get("seq"), int)]
        missing = sum(max(each) - min(each) + 1 - len(each) for each in _by_process(numbers))
        if missing:
            problems.append(f"{missing} events of {source} are missing")
    return problems


def _by_process(numbers: list[int]) -> list[set[int]]:
    """Group event numbers by process, because a restarted service numbers from 1 again.

    In order of time, the numbers of one process may decrease slightly, because an event is numbered when it is
    published and timed when it happens. A larger decrease means a restart.
    """
    processes: list[set[int]] = []
    latest = None
    for number in numbers:
        if latest is None or number < latest - _REORDERED:
            processes.append(set())
            latest = number
        processes[-1].add(number)
        latest = max(latest, number)
    return processes


def _interruption(run: RunRecord) -> str:
    event = run.events.last("lab", "interrupted")
    return f"the run was interrupted: {event.data['reason']}" if event else "the run did not come to its end"
