"""Could this run have failed at all? Traffic must have used every backend before, and flowed during, each fault."""

from __future__ import annotations

from ...evidence.history import Outcome
from ...evidence.record import Fault, RunRecord
from ...evidence.verdict import Check, Verdict

NAME = "not_vacuous"
ENOUGH = 10
"""Requests due in a fault's window; fewer cannot tell a balancer that reroutes from one that was lucky."""


def check(run: RunRecord) -> Check:
    """Unknown when the run proves nothing because nothing was at stake."""
    complaints = _unserved(run)
    for fault in run.faults:
        hit = _requests_in(fault, run)
        if hit < ENOUGH:
            complaints.append(f"only {hit} requests were due during {fault.kind} on {fault.target}")
    if complaints:
        return Check(NAME, Verdict.UNKNOWN, "; ".join(complaints))
    counts = ", ".join(str(_requests_in(fault, run)) for fault in run.faults)
    return Check(
        NAME, Verdict.PASS, f"every backend served before the first fault; {counts} requests due during faults"
    )


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
