"""Are latencies within the scenario's budgets, outside and inside faults?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from ...evidence.failover_times import troubled_until
from ...evidence.history import Outcome, Request
from ...evidence.record import RunRecord
from ...evidence.verdict import Check, Verdict, worst
from ...scenario.expectations import LatencyLimits

NAME = "latency"
FAILS_WHEN = "a percentile of good answers is over its budget, outside or inside faults"
UNKNOWN_WHEN = "it is over budget only because of requests on a busy host, or there was no good answer"


def check(run: RunRecord) -> Check:
    """Compare percentiles of the latencies of good responses with the limits; other checkers count failed requests.

    The result is unknown if the limits hold without the requests that were in flight while the host was busy.
    """
    expected = run.expect.latency
    if expected is None:
        return Check.not_asserted(NAME)
    outside, inside = _split(run)
    findings = [
        _judge(word, requests, budget, run)
        for word, requests, budget in (("outside", outside, expected.outside), ("inside", inside, expected.inside))
        if any(budget.limits())
    ]
    if not findings:
        return Check.not_asserted(NAME)
    return Check(NAME, worst(verdict for verdict, _ in findings), "; ".join(text for _, text in findings))


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the quantile by nearest rank: the smallest value with at least `share` of all values at or below it."""
    return ordered[max(0, -int(-len(ordered) * share // 1) - 1)]


def _split(run: RunRecord) -> tuple[list[Request], list[Request]]:
    """Return the good responses outside and inside faults. A fault counts until its target is in use again."""
    spans = [(fault.begun_at, troubled_until(fault, run)) for fault in run.faults]
    outside: list[Request] = []
    inside: list[Request] = []
    for request in run.measured:
        if request.outcome is not Outcome.OK or request.ended is None:
            continue
        touched = any(begin < request.ended and request.due < end for begin, end in spans)
        (inside if touched else outside).append(request)
    return outside, inside


def _judge(word: str, requests: list[Request], budget: LatencyLimits, run: RunRecord) -> tuple[Verdict, str]:
    if not requests:
        return Verdict.UNKNOWN, f"{word} faults: no good answer to measure"
    kept, found = _compare(budget, requests)
    text = f"{word} faults: {found}"
    if kept:
        return Verdict.PASS, text
    undisturbed = [each for each in requests if not run.host_was_busy_during(each)]
    if undisturbed and _compare(budget, undisturbed)[0]:
        return Verdict.UNKNOWN, f"{text}: over budget only because of requests on a busy host"
    return Verdict.FAIL, text


def _compare(budget: LatencyLimits, requests: Iterable[Request]) -> tuple[bool, str]:
    """Return whether the limits hold, and the percentiles as text."""
    # Whole microseconds, as in the history: a million responses have only a few thousand different values, which saves
    # memory.
    counts = Counter(round((request.latency or 0.0) * 1e6) for request in requests)
    ordered = sorted(counts.elements())
    found = [(name, quantile(ordered, share) / 1e6, limit) for name, share, limit in budget.limits()]
    text = ", ".join(f"{name} {value * 1000:.1f} ms of {limit * 1000:g}" for name, value, limit in found)
    return all(value <= limit for _, value, limit in found), text
