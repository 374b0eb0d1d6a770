"""Do idempotent requests succeed? A balancer can retry them, so one failed backend need not make them fail."""

from __future__ import annotations

from collections import Counter

from ...evidence.history import Outcome
from ...evidence.record import RunRecord
from ...evidence.verdict import Check, Verdict

NAME = "idempotent_ok"
FAILS_WHEN = "more idempotent requests failed than allowed"
UNKNOWN_WHEN = ""


def check(run: RunRecord) -> Check:
    """Count failed and unknown outcomes of requests whose method, or whose kind in the scenario, is idempotent."""
    allowed = run.expect.idempotent_failures
    total = sum(request.idempotent for request in run.measured)
    failures = [request for request in run.bad if request.idempotent and request.outcome is not Outcome.OK]
    text = f"{len(failures)} of {total} idempotent requests failed"
    if failures:
        reasons = Counter(request.error or "no outcome" for request in failures)
        text += " (" + ", ".join(f"{count} × {reason}" for reason, count in reasons.most_common(3)) + ")"
    if allowed is None:
        return Check.not_asserted(NAME, f"{text}; not asserted by the scenario")
    return Check(NAME, Verdict.PASS if len(failures) <= allowed else Verdict.FAIL, f"{text}, allowed {allowed}")
