"""Did the balancer keep to its own budget of retries and hedges?

Its promise: in every window, retries ≤ budget × requests + minimum per second × window. What clients saw is held
against it, not the balancer's own count: each backend tried beyond the first is one retry, made before the outcome.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from itertools import accumulate
from typing import Any, NamedTuple

from ...evidence.balancer_config import seconds, share
from ...evidence.record import RunRecord
from ...evidence.verdict import Check, Verdict

NAME = "retry_budget"
SLACK_S = 0.1
"""Requests due this long before a window may still arrive in it: twenty times what a punctual generator is late."""


class Budget(NamedTuple):
    """The live configuration: a share of requests, a minimum per second, and the window in seconds."""

    share: float
    per_s: float
    window_s: float


def check(run: RunRecord) -> Check:
    """The worst window that ends with a retry's outcome."""
    budget = _budget(run)
    if budget is None:
        return Check.not_asserted(NAME, "this balancer names no retry budget")
    retried = sorted(
        (request.ended, request.due, len(request.tried) - 1)
        for request in run.history.requests
        if len(request.tried) > 1 and request.ended is not None
    )
    if not retried:
        return Check(NAME, Verdict.PASS, "nothing was tried twice")
    spent, allowed, at = _worst_window(retried, sorted(request.due for request in run.history.requests), budget)
    told = (
        f"{spent} retries in the {budget.window_s:g} s before {at:.3f} s, allowed {allowed:.0f} "
        f"({budget.share:.0%} of requests + {budget.per_s:g}/s)"
    )
    return Check(NAME, Verdict.PASS if spent <= allowed else Verdict.FAIL, told)


def _worst_window(
    retried: list[tuple[float, float, int]], dues: list[float], budget: Budget
) -> tuple[int, float, float]:
    """Retries that certainly fell into the window, what was allowed in it, and when it ended; by the highest ratio."""
    ends = [ended for ended, _, _ in retried]
    total = [0, *accumulate(extra for _, _, extra in retried)]
    begun_before = _begun_before(retried)
    worst = (0, 1.0, 0.0)
    for index, end in enumerate(ends):
        begin = end - budget.window_s
        first = bisect_left(ends, begin)
        # Those that ended inside but were due before the window may have been retried before it: not counted.
        spent = total[index + 1] - total[first] - begun_before(first, index + 1, begin)
        requests = bisect_right(dues, end) - bisect_left(dues, begin - SLACK_S)
        allowed = budget.share * requests + budget.per_s * budget.window_s
        if allowed == 0.0:
            allowed = 1e-9
        if spent / allowed > worst[0] / worst[1]:
            worst = (spent, allowed, end)
    return worst


def _begun_before(retried: list[tuple[float, float, int]]) -> Any:
    """Counts retries among those with indices [first, last) that were due before a time.

    Only requests that end within the longest duration after that time can be such, so few are looked at.
    """
    longest_s = max(ended - due for ended, due, _ in retried)

    def count(first: int, last: int, begin: float) -> int:
        found = 0
        for index in range(first, last):
            ended, due, extra = retried[index]
            if ended > begin + longest_s:
                break
            found += extra if due < begin else 0
        return found

    return count


def _budget(run: RunRecord) -> Budget | None:
    retry = run.config.get("retry")
    if not isinstance(retry, Mapping) or "budget" not in retry:
        return None
    window_s = seconds(retry.get("budget_window", "10s"), "retry.budget_window")
    return Budget(share(retry["budget"]), float(retry.get("budget_min_per_s", 0.0)), window_s)
