"""Did every step begin at its planned time? Otherwise two runs of one plan cannot be compared."""

from __future__ import annotations

from ...evidence.record import RunRecord
from ...evidence.verdict import Check, Verdict

NAME = "punctuality"
FAILS_WHEN = "never"
UNKNOWN_WHEN = "a step began more than 50 ms after its time"
TOLERANCE_S = 0.05
"""Seconds: a tenth of the default interval between two probes, so a fault begins close to its planned phase."""


def check(run: RunRecord) -> Check:
    """Compare the times at which steps began with the planned ones; the duration of an injection does not matter."""
    if not run.plan.steps:
        return Check.not_asserted(NAME, "the plan holds no step")
    late = [event.t - float(event.data["at"]) for event in run.events.of("lab", "step")]
    if len(late) < len(run.plan.steps):
        return Check(NAME, Verdict.UNKNOWN, f"{len(late)} of {len(run.plan.steps)} steps were begun")
    worst = max(late, default=0.0)
    text = f"steps began at most {worst * 1000:.1f} ms late, limit {TOLERANCE_S * 1000:.0f} ms"
    return Check(NAME, Verdict.PASS if worst <= TOLERANCE_S else Verdict.UNKNOWN, text)
