"""Did the balancer keep to its own budget of retries and hedges?

In every window, retries ≤ budget × requests + minimum per second × window. Retries are counted from what clients saw,
not by the balancer's own counters: each backend tried after the first is a retry.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from itertools import accumulate
from typing import Any, NamedTuple

from ...evidence.record import RunRecord
from ...evidence.verdict import Check, Verdict
from ...scenario.units import parse_duration, parse_share

NAME = "retry_budget"
FAILS_WHEN = "in some window more backends were tried a second time than the live budget allows"
UNKNOWN_WHEN = ""
SLACK_S = 0.1
"""Requests due this many seconds before a window may still arrive in it: twenty times the largest generator lag
allowed."""


class Budget(NamedTuple):
    """The budget in the balancer's live configuration."""

    share: float
    """Retries per request."""
    per_s: float
    """Retries per second that are always allowed."""
    window_s: float


def check(run: RunRecord) -> Check:
    """Compare retries with the budget in the worst window that ends with the outcome of a retried request."""
    budget = _budget(run)
    if budget is None:
        return Check.not_asserted(NAME, "this balancer reports no retry budget")
    retried = sorted(
        (request.ended, request.due, len(request.tried) - 1)
        for request in run.history.requests
        if len(request.tried) > 1 and request.ended is not None
    )
    if not retried:
        return Check(NAME, Verdict.PASS, "no request was retried")
    spent, allowed, at = _worst_window(retried, sorted(request.due for request in run.history.requests), budget)
    text = (
        f"{spent} retries in the {budget.window_s:g} s before {at:.3f} s, allowed {allowed:.0f} "
        f"({budget.share:.0%} of requests + {budget.per_s:g}/s)"
    )
    return Check(NAME, Verdict.PASS if spent <= allowed else Verdict.FAIL, text)


def _worst_window(
    retried: list[tuple[float, float, int]], dues: list[float], budget: Budget
) -> tuple[int, float, float]:
    """Return the window with the highest ratio of retries to allowed retries: both numbers, and when it ended.

    `retried` has (end, due time, retries) of each retried request, sorted by end; `dues` has all due times, sorted.
    Only retries that certainly happened in the window count.
    """
    ends = [ended for ended, _, _ in retried]
    total = [0, *accumulate(extra for _, _, extra in retried)]
    begun_before = _begun_before(retried)
    worst = (0, 1.0, 0.0)
    for index, end in enumerate(ends):
        begin = end - budget.window_s
        first = bisect_left(ends, begin)
        # A request that was due before the window and ended inside it may have been retried before it, so it does not
        # count.
        spent = total[index + 1] - total[first] - begun_before(first, index + 1, begin)
        requests = bisect_right(dues, end) - bisect_left(dues, begin - SLACK_S)
        allowed = budget.share * requests + budget.per_s * budget.window_s
        if allowed == 0.0:
            allowed = 1e-9
        if spent / allowed > worst[0] / worst[1]:
            worst = (spent, allowed, end)
    return worst


def _begun_before(retried: list[tuple[float, float, int]]) -> Any:
    """Return `count(first, last, begin)`, which counts the retries of `retried[first:last]` that were due before
    `begin`.

    `retried` is sorted by end. A request that ended later than `begin` plus the longest duration was due after `begin`,
    so the function stops there and visits few requests.
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
    window_s = parse_duration(retry.get("budget_window", "10s"))
    return Budget(parse_share(retry["budget"]), float(retry.get("budget_min_per_s", 0.0)), window_s)
