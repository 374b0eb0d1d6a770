"""Is the record whole? A verdict may only rest on a run that went to its end and lost nothing."""

from __future__ import annotations

from lab.record import RunRecord
from lab.verdict import Check, Verdict

NAME = "completeness"
_SHOWN = 3


def check(run: RunRecord) -> Check:
    """Unknown when the run was cut short, a line is damaged, or an invocation has no outcome."""
    complaints = [*run.history.defects[:_SHOWN], *run.events.defects[:_SHOWN]]
    open_ended = sum(request.outcome is None for request in run.history.requests)
    if open_ended:
        complaints.append(f"{open_ended} requests have no outcome")
    if not run.completed:
        complaints.append(_interruption(run))
    if complaints:
        return Check(NAME, Verdict.UNKNOWN, "; ".join(complaints))
    told = f"{len(run.history.requests)} requests (warm-up included), every one with its outcome"
    return Check(NAME, Verdict.PASS, told)


def _interruption(run: RunRecord) -> str:
    event = run.events.last("lab", "interrupted")
    return f"the run was interrupted: {event.data['reason']}" if event else "the run did not come to its end"
