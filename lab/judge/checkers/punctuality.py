"""Was every step carried out when the plan said? Two runs of one plan can only be compared if it was."""

from __future__ import annotations

from ...evidence.record import RunRecord
from ...evidence.verdict import Check, Verdict

NAME = "punctuality"
TOLERANCE_S = 0.05
"""A tenth of the default interval between two probes: the phase of a fault within it stays what was planned."""


def check(run: RunRecord) -> Check:
    """Unknown when the lab asked for a fault too late. How long the injection itself takes is not its concern."""
    if not run.plan.steps:
        return Check.not_asserted(NAME, "the plan holds no step")
    late = [event.t - float(event.data["at"]) for event in run.events.of("lab", "step")]
    if len(late) < len(run.plan.steps):
        return Check(NAME, Verdict.UNKNOWN, f"{len(late)} of {len(run.plan.steps)} steps were begun")
    worst = max(late, default=0.0)
    text = f"steps began at most {worst * 1000:.1f} ms late, limit {TOLERANCE_S * 1000:.0f} ms"
    return Check(NAME, Verdict.PASS if worst <= TOLERANCE_S else Verdict.UNKNOWN, text)
