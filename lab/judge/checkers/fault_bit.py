"""Did every planned fault take effect? An experiment whose fault did nothing has shown nothing."""

from __future__ import annotations

from ...evidence.record import Fault, RunRecord
from ...evidence.verdict import Check, Verdict

NAME = "fault_bit"


def check(run: RunRecord) -> Check:
    """Unknown, never fail: a fault that did not bite says nothing about the balancer."""
    planned = {index for index, step in enumerate(run.plan.steps) if step.disrupts}
    missing = len(planned - {fault.step for fault in run.faults})
    complaints = [complaint for fault in run.faults if (complaint := _complaint(fault))]
    if missing:
        complaints.append(f"{missing} of {len(planned)} planned faults were not injected")
    failed = (event for event in run.events.of("lab", "act") if event.data.get("error"))
    complaints += [f"{event.data['act']} was not carried out: {event.data['error']}" for event in failed]
    if complaints:
        return Check(NAME, Verdict.UNKNOWN, "; ".join(complaints))
    if not planned:
        return Check.not_asserted(NAME, "the plan holds no fault")
    return Check(
        NAME, Verdict.PASS, "; ".join(f"{fault.kind} on {fault.target}: {_proof(fault)}" for fault in run.faults)
    )


def _complaint(fault: Fault) -> str:
    name = f"{fault.kind} on {fault.target}"
    if fault.injected_at is None:
        return f"{name} was not injected: {fault.error or 'no reason given'}"
    if fault.healed_at is None:
        return f"{name} was not seen to heal: {fault.error or 'no reason given'}"
    if fault.bit is not True:
        return f"{name} was not seen to take effect: {fault.evidence or 'no evidence'}"
    return ""


def _proof(fault: Fault) -> str:
    return fault.evidence or f"verified ({fault.mechanism})"
