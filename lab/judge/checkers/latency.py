"""Do latencies keep to the scenario's budgets, outside and inside faults?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from ...evidence.failover_times import troubled_until
from ...evidence.history import Outcome, Request
from ...evidence.record import RunRecord
from ...evidence.verdict import Check, Verdict, worst
from ...scenario.plan import LatencyBudget

NAME = "latency"


def check(run: RunRecord) -> Check:
    """Good answers only: what failed has no latency, and other checkers count it.

    Over budget is unknown where the requests that a witness saw sharing the host with too much work make the
    difference: without them, the budget was kept.
    """
    expect = run.plan.expect
    budgets = [
        (word, budget)
        for word, budget in (("outside", expect.latency_outside), ("inside", expect.latency_inside))
        if budget
    ]
    if not budgets:
        return Check.not_asserted(NAME)
    sides = dict(zip(("outside", "inside"), _split(run), strict=True))
    findings = [_judge(word, sides[word], budget, run) for word, budget in budgets]
    return Check(NAME, worst(verdict for verdict, _ in findings), "; ".join(text for _, text in findings))


def quantile(ordered: Sequence[float], share: float) -> float:
    """Nearest rank: the smallest value that at least this share of the values does not exceed."""
    return ordered[max(0, -int(-len(ordered) * share // 1) - 1)]


def _split(run: RunRecord) -> tuple[list[Request], list[Request]]:
    """Good answers outside and inside faults: from the request for a fault until its target is back in use."""
    spans = []
    for fault in run.faults:
        begin = fault.window[0] if fault.requested_at is None else fault.requested_at
        spans.append((begin, troubled_until(fault, run)))
    outside: list[Request] = []
    inside: list[Request] = []
    for request in run.measured:
        if request.outcome is not Outcome.OK or request.ended is None:
            continue
        touched = any(begin < request.ended and request.due < end for begin, end in spans)
        (inside if touched else outside).append(request)
    return outside, inside


def _judge(word: str, requests: list[Request], budget: LatencyBudget, run: RunRecord) -> tuple[Verdict, str]:
    if not requests:
        return Verdict.UNKNOWN, f"{word} faults: no good answer to measure"
    complaints, told = _held_against(budget, requests)
    text = f"{word} faults: {told}"
    if not complaints:
        return Verdict.PASS, text
    calm = [each for each in requests if not run.host_was_busy(each)]
    if calm and not _held_against(budget, calm)[0]:
        return Verdict.UNKNOWN, f"{text}: only what shared the host with too much work was late"
    return Verdict.FAIL, text


def _held_against(budget: LatencyBudget, requests: Iterable[Request]) -> tuple[list[str], str]:
    # Whole microseconds, as the history has them: a million answers share a few thousand values, and so their memory.
    counts = Counter(round((request.latency or 0.0) * 1e6) for request in requests)
    ordered = sorted(counts.elements())
    complaints, told = [], []
    for name, share, limit in budget.limits():
        found = quantile(ordered, share) / 1e6
        told.append(f"{name} {found * 1000:.1f} ms of {limit * 1000:g}")
        if found > limit:
            complaints.append(name)
    return complaints, ", ".join(told)
