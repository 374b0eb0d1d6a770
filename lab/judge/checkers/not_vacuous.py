"""Could this run have failed? Every backend must have served before the first fault, and requests must have been due
during each fault."""

from __future__ import annotations

from ...evidence.history import Outcome
from ...evidence.record import Fault, RunRecord
from ...evidence.verdict import Check, Verdict
from ...services.identification import DEFAULT, NOT_KNOWN

NAME = "not_vacuous"
FAILS_WHEN = "never"
UNKNOWN_WHEN = "a backend served nothing before the fault, or fewer than 10 requests were due during one"
_SHOWN = 3
ENOUGH = 10
"""Minimum of requests due during a fault. With fewer, a balancer may pass by chance."""


def check(run: RunRecord) -> Check:
    """Look for backends without traffic before the first fault, and for faults without traffic."""
    problems = _unserved(run) if run.identification.is_known else []
    counts = [_requests_in(fault, run) for fault in run.faults]
    problems += [
        f"only {count} requests were due during {fault.kind} on {fault.target}"
        for fault, count in zip(run.faults, counts, strict=True)
        if count < ENOUGH
    ]
    if problems and run.unmatched_names:
        problems.append(_unmatched(run))
    if problems:
        return Check(NAME, Verdict.UNKNOWN, "; ".join(problems))
    during = f"{', '.join(map(str, counts))} requests due during faults"
    if not run.identification.is_known:
        return Check.not_asserted(NAME, f"{NOT_KNOWN}, so whether each served is not known; {during}")
    text = f"every backend served before the first fault; {during}"
    if run.identification != DEFAULT and run.unmatched_names:
        text += f"; {_unmatched(run)}"
    return Check(NAME, Verdict.PASS, text)


def _unmatched(run: RunRecord) -> str:
    names = run.unmatched_names
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{run.identification} also names {', '.join(names[:_SHOWN])}{more}, which is no target of this lab"


def _unserved(run: RunRecord) -> list[str]:
    first = min((fault.window[0] for fault in run.faults), default=float("inf"))
    before = (each for each in run.history.requests if each.ended is not None and each.ended < first)
    served = {request.instance for request in before if request.outcome is Outcome.OK}
    if not run.instances:
        return ["the lab's backends are not known"]
    return [f"{name} served nothing before the first fault" for name, own in run.instances.items() if own not in served]


def _requests_in(fault: Fault, run: RunRecord) -> int:
    begin, end = fault.window
    return sum(begin <= request.due < end for request in run.history.requests)
