"""A run in plain sentences: what happened to whom, and what the balancer made of it."""

from __future__ import annotations

from ..evidence.verdict import FaultResult, Phase, Verdict
from .run_files import Run

_DONE_TO = {
    "kill": "was killed",
    "stop": "was stopped",
    "restart": "was restarted",
    "pause": "was paused",
    "delay": "had its traffic delayed",
    "blackhole": "was cut off (packets dropped)",
    "refuse": "refused connections",
}
PHASES = {
    Phase.BEFORE_DETECTION: "before detection",
    Phase.DRAINING: "already on its way",
    Phase.AFTER_BOUND: "after the bound",
    Phase.INJECTING: "while injecting",
    Phase.UNEXPLAINED: "unexplained",
}
"""How the phases of an attribution are called on paper."""


def seconds(value: float | None, missing: str = "–") -> str:
    """`0.08 s`; tens of seconds with one decimal, no more digits than anybody compares."""
    if value is None:
        return missing
    return f"{value:.2f} s" if abs(value) < 10 else f"{value:.1f} s"


def milliseconds(value: float | None, missing: str = "–") -> str:
    """`3.1 ms` from seconds; whole milliseconds from 100 ms on."""
    if value is None:
        return missing
    return f"{value * 1e3:.1f} ms" if value < 0.1 else f"{value * 1e3:,.0f} ms"


def meaning(run: Run) -> str:
    """What the verdict says, for somebody who has never seen one."""
    if run.word is Verdict.PASS:
        unasked = sum(not check.asserted for check in run.checks)
        aside = f"; {unasked} {'was' if unasked == 1 else 'were'} not asserted" if unasked else ""
        return f"Every check held{aside}."
    names = ", ".join(check.name for check in run.checks if check.verdict is run.word)
    if run.word is Verdict.FAIL:
        return f"Not every check held. Failed: {names}."
    doubt = "The evidence does not suffice to say pass or fail; that never counts as a pass."
    return f"{doubt} Undecided: {names}." if names else doubt


def headline(run: Run) -> str:
    """The whole run in a sentence or two."""
    if not run.faults:
        return "No fault was injected." if run.verdict else "The run ended before a fault was injected."
    return " ".join(_told(fault) for fault in run.faults)


def _told(fault: FaultResult) -> str:
    if fault.injected_at is None:
        return f"{fault.kind} on {fault.target} was never injected."
    lasted = "" if fault.healed_at is None else f" for {fault.healed_at - fault.injected_at:.1f} s"
    done = _DONE_TO.get(fault.kind, f"was under the fault “{fault.kind}”")
    doubt = "" if fault.bit is not False else " (but the fault did not bite)"
    return f"{fault.target} {done}{lasted}{doubt}; {_rerouted(fault)}{_readmitted(fault)}."


def _rerouted(fault: FaultResult) -> str:
    if fault.reroute_s is None:
        return "when the balancer stopped sending it traffic is not known"
    when = f"after {seconds(fault.reroute_s)}" if fault.reroute_s > 0 else "at once"
    return f"the balancer stopped sending it traffic {when}{_bound(fault.bound_s)}"


def _readmitted(fault: FaultResult) -> str:
    if fault.healed_at is None:
        return ""
    if fault.readmit_s is None:
        return f" and was not seen to take it back{_bound(fault.readmit_bound_s)}"
    return f" and took it back {seconds(fault.readmit_s)} after it healed{_bound(fault.readmit_bound_s)}"


def _bound(bound_s: float | None) -> str:
    return "" if bound_s is None else f" (bound {seconds(bound_s)})"
