"""Did every planned fault take effect? Without an effect, the run says nothing about the balancer."""

from __future__ import annotations

from ...evidence.record import Fault, RunRecord
from ...evidence.verdict import Check, Verdict

NAME = "fault_bit"
FAILS_WHEN = "never"
UNKNOWN_WHEN = "a planned fault was not injected, was not measured to take effect, or was not seen to heal"


def check(run: RunRecord) -> Check:
    """Compare the plan's steps with the faults and operator actions that were carried out."""
    planned = {index for index, step in enumerate(run.plan.steps) if step.disrupts}
    missing = len(planned - {fault.step for fault in run.faults})
    problems = [problem for fault in run.faults if (problem := _problem(fault))]
    if missing:
        problems.append(f"{missing} of {len(planned)} planned faults were not injected")
    failed = (event for event in run.events.of("lab", "act") if event.data.get("error"))
    problems += [f"{event.data['act']} was not carried out: {event.data['error']}" for event in failed]
    if problems:
        return Check(NAME, Verdict.UNKNOWN, "; ".join(problems))
    if not planned:
        return Check.not_asserted(NAME, "the plan holds no fault")
    return Check(
        NAME, Verdict.PASS, "; ".join(f"{fault.kind} on {fault.target}: {_proof(fault)}" for fault in run.faults)
    )


def _problem(fault: Fault) -> str:
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
