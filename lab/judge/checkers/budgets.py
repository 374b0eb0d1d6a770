"""Do failed and slow requests stay within the scenario's budgets?"""

from __future__ import annotations

from ...evidence.history import Outcome
from ...evidence.record import RunRecord
from ...evidence.verdict import Check, Verdict

NAME = "budgets"
FAILS_WHEN = "more requests failed or were slow than the budgets allow"
UNKNOWN_WHEN = "there was no request"


def check(run: RunRecord) -> Check:
    """Compare the shares among all requests after the warm-up; unknown outcomes count towards the error budget."""
    total = len(run.measured)
    failed = sum(request.outcome is not Outcome.OK for request in run.bad)
    slow = sum(request.outcome is Outcome.OK for request in run.bad)
    if not total:
        return Check(NAME, Verdict.UNKNOWN, "no request after the warm-up")
    expect = run.expect
    limited = expect.error_budget is not None or expect.slow_budget is not None
    within = _within(failed, total, expect.error_budget) and _within(slow, total, expect.slow_budget)
    text = f"{_text('failed', failed, total, expect.error_budget)}; {_text('slow', slow, total, expect.slow_budget)}"
    return Check(NAME, Verdict.PASS if within else Verdict.FAIL, text, asserted=limited)


def _within(count: int, total: int, budget: float | None) -> bool:
    return budget is None or count / total <= budget


def _text(word: str, count: int, total: int, budget: float | None) -> str:
    allowed = "not limited" if budget is None else f"budget {budget:.2%}"
    return f"{count} of {total} {word} ({count / total:.2%}, {allowed})"
