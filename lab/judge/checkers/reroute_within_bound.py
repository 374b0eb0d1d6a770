"""Did traffic leave each faulted target within the bound that the balancer's live configuration allows?"""

from __future__ import annotations

from ...evidence.failover_times import reroute_s
from ...evidence.record import Fault, RunRecord
from ...evidence.verdict import Check, Verdict, worst
from ...services.identification import NOT_KNOWN

NAME = "reroute_within_bound"
FAILS_WHEN = "traffic left later than the bound allows"
UNKNOWN_WHEN = "there is no bound, or the fault did not take effect"


def check(run: RunRecord) -> Check:
    """Compare each time to reroute with its bound, plus the uncertainty of the clocks."""
    if not run.expect.reroute:
        return Check.not_asserted(NAME)
    if not run.backends_are_known:
        return Check.not_asserted(NAME, NOT_KNOWN)
    findings = [_judge(fault, run) for fault in run.faults if fault.injected_at is not None]
    if not findings:
        return Check(NAME, Verdict.UNKNOWN, "no fault was injected")
    return Check(NAME, worst(verdict for verdict, _ in findings), "; ".join(text for _, text in findings))


def _judge(fault: Fault, run: RunRecord) -> tuple[Verdict, str]:
    name = f"{fault.kind} on {fault.target}"
    bound = run.bounds.get(fault.kind)
    measured = reroute_s(fault, run.measured, run.plan.load.slow_s)
    if bound is None or bound.allowed_s is None:
        return Verdict.UNKNOWN, f"{name}: the balancer names no bound for {fault.kind}"
    if not fault.backends:
        return Verdict.UNKNOWN, f"{name}: the balancer did not know this target"
    if measured is None or fault.bit is not True:
        return Verdict.UNKNOWN, f"{name}: was not seen to take effect, so there was nothing to reroute"
    within = measured <= bound.allowed_s + run.clock_error_s
    text = f"{name}: traffic left after {measured:.3f} s, bound {bound.allowed_s:.3f} s ({bound.formula})"
    if bound.reroute_s is not None and bound.reroute_traffic_s is not None:
        text += f", with traffic {bound.reroute_traffic_s:.3f} s"
    return (Verdict.PASS if within else Verdict.FAIL), text
