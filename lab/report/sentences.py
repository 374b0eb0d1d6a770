"""Describe a run in sentences: what happened to which backend, and how the balancer reacted."""

from __future__ import annotations

from ..evidence.verdict import FaultResult, Phase, Verdict
from ..scenario.fault_kinds import find
from .run_files import Run

PHASES = {
    Phase.BEFORE_DETECTION: "before detection",
    Phase.DRAINING: "already on its way",
    Phase.AFTER_BOUND: "after the bound",
    Phase.INJECTING: "while injecting",
    Phase.UNEXPLAINED: "unexplained",
}
"""Names of the phases of an attribution in reports."""


def seconds(value: float | None, missing: str = "–") -> str:
    """Return seconds as text: `0.08 s`, or `12.3 s` from 10 s on."""
    if value is None:
        return missing
    return f"{value:.2f} s" if abs(value) < 10 else f"{value:.1f} s"


def milliseconds(value: float | None, missing: str = "–") -> str:
    """Return seconds as text in milliseconds: `3.1 ms`, or `250 ms` from 100 ms on."""
    if value is None:
        return missing
    return f"{value * 1e3:.1f} ms" if value < 0.1 else f"{value * 1e3:,.0f} ms"


def meaning(run: Run) -> str:
    """Explain the verdict, for people who see one for the first time."""
    if run.final_verdict is Verdict.PASS:
        count = sum(not check.asserted for check in run.checks)
        aside = f"; {count} {'was' if count == 1 else 'were'} not asserted" if count else ""
        return f"Every check passed{aside}."
    names = ", ".join(check.name for check in run.checks if check.verdict is run.final_verdict)
    if run.final_verdict is Verdict.FAIL:
        return f"Not every check passed. Failed: {names}."
    doubt = "The evidence is not sufficient for pass or fail; such a run never counts as passed."
    return f"{doubt} Undecided: {names}." if names else doubt


def headline(run: Run) -> str:
    """Describe the whole run in one sentence for each fault."""
    if not run.faults:
        return "No fault was injected." if run.verdict else "The run ended before a fault was injected."
    return " ".join(_describe(fault) for fault in run.faults)


def _describe(fault: FaultResult) -> str:
    if fault.injected_at is None:
        return f"{fault.kind} on {fault.target} was never injected."
    lasted = "" if fault.healed_at is None else f" for {fault.healed_at - fault.injected_at:.1f} s"
    kind = find(fault.kind)
    effect = kind.past if kind else f"was under the fault “{fault.kind}”"
    doubt = "" if fault.bit is not False else " (but the fault had no measurable effect)"
    return f"{fault.target} {effect}{lasted}{doubt}; {_rerouted(fault)}{_readmitted(fault)}."


def _rerouted(fault: FaultResult) -> str:
    if fault.reroute_s is None:
        return "when the balancer stopped sending it traffic is not known"
    when = f"after {seconds(fault.reroute_s)}" if fault.reroute_s > 0 else "at once"
    return f"the balancer stopped sending it traffic {when}{_bound(fault.bound_s)}"


def _readmitted(fault: FaultResult) -> str:
    if fault.healed_at is None:
        return ""
    if fault.readmit_s is None:
        return f" and was not seen to readmit it{_bound(fault.readmit_bound_s)}"
    return f" and readmitted it {seconds(fault.readmit_s)} after it healed{_bound(fault.readmit_bound_s)}"


def _bound(bound_s: float | None) -> str:
    return "" if bound_s is None else f" (bound {seconds(bound_s)})"
