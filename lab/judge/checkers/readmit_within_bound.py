"""Did the balancer use each healed target again within the bound, and did the target answer requests afterwards?"""

from __future__ import annotations

from ...evidence.failover_times import first_answer_at, readmit_s
from ...evidence.record import Fault, RunRecord
from ...evidence.verdict import Check, Verdict, worst
from ...services.identification import NOT_KNOWN

NAME = "readmit_within_bound"
FAILS_WHEN = "the target was readmitted too late or never, or was reported up and got no request"
UNKNOWN_WHEN = "it was not watched for long enough"


def check(run: RunRecord) -> Check:
    """Compare each time to readmit with its bound. The balancer's event decides, but the target must also answer."""
    if not run.expect.readmit:
        return Check.not_asserted(NAME)
    if not run.backends_are_known:
        return Check.not_asserted(NAME, NOT_KNOWN)
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
        return Verdict.UNKNOWN, f"{name}: was not seen to take effect, so there was nothing to readmit"
    if measured is None:
        return _never_readmitted(name, fault, bound.readmit_s, run)
    text = f"{name}: readmitted {measured:.3f} s after it had healed, bound {bound.readmit_s:.3f} s"
    if measured > bound.readmit_s + run.clock_error_s:
        return Verdict.FAIL, text
    if run.plan.load.sessions and run.expect.sticky:
        return Verdict.PASS, f"{text}; its sessions have moved to other backends, so it may get no traffic"
    if first_answer_at(fault, run) is None:
        return Verdict.FAIL, f"{name}: reported up after {measured:.3f} s, but it never answered a request again"
    return Verdict.PASS, text


def _never_readmitted(name: str, fault: Fault, bound_s: float, run: RunRecord) -> tuple[Verdict, str]:
    """Return `fail` if traffic continued for longer than the bound, otherwise `unknown`."""
    last_due = max((request.due for request in run.history.requests), default=0.0)
    watched = last_due - (fault.healed_at or 0.0)
    text = f"{name}: not readmitted {watched:.3f} s after it had healed, bound {bound_s:.3f} s"
    return (Verdict.FAIL if watched > bound_s else Verdict.UNKNOWN), text
