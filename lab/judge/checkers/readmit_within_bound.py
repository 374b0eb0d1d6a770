"""Was each healed target used again within its bound, and did requests really get there?"""

from __future__ import annotations

from ...evidence.failover_times import first_answer_at, readmit_s
from ...evidence.record import Fault, RunRecord
from ...evidence.verdict import Check, Verdict, worst

NAME = "readmit_within_bound"


def check(run: RunRecord) -> Check:
    """The balancer's word that a target is up counts for the time; an answer from it is needed as well."""
    if not run.plan.expect.readmit_within_bound:
        return Check.not_asserted(NAME)
    findings = [_judge(fault, run) for fault in run.faults if fault.healed_at is not None]
    if not findings:
        return Check(NAME, Verdict.UNKNOWN, "no fault was seen to heal")
    return Check(NAME, worst(verdict for verdict, _ in findings), "; ".join(text for _, text in findings))


def _judge(fault: Fault, run: RunRecord) -> tuple[Verdict, str]:
    name = f"{fault.kind} on {fault.target}"
    bound = run.bounds.get(fault.kind)
    measured = readmit_s(fault, run)
    if bound is None or bound.readmit_s is None:
        return Verdict.UNKNOWN, f"{name}: the balancer names no bound for {fault.kind}"
    if fault.bit is not True:
        return Verdict.UNKNOWN, f"{name}: was not seen to take effect, so there was nothing to return from"
    if measured is None:
        return _never_back(name, fault, bound.readmit_s, run)
    text = f"{name}: back {measured:.3f} s after it had healed, bound {bound.readmit_s:.3f} s"
    if measured > bound.readmit_s + run.clock_error_s:
        return Verdict.FAIL, text
    if run.plan.load.sessions and run.plan.expect.sticky:
        return Verdict.PASS, f"{text}; whether it gets traffic is its sessions' choice, which had moved on"
    if first_answer_at(fault, run) is None:
        return Verdict.FAIL, f"{name}: called up after {measured:.3f} s, but it never answered a request again"
    return Verdict.PASS, text


def _never_back(name: str, fault: Fault, bound_s: float, run: RunRecord) -> tuple[Verdict, str]:
    """Not seen back: a failure only if traffic went on for as long as the balancer may take."""
    last_due = max((request.due for request in run.history.requests), default=0.0)
    watched = last_due - (fault.healed_at or 0.0)
    text = f"{name}: not back {watched:.3f} s after it had healed, bound {bound_s:.3f} s"
    return (Verdict.FAIL if watched > bound_s else Verdict.UNKNOWN), text
