"""Did the generator send its requests on time? If not, the latencies measure the lab and not the balancer."""

from __future__ import annotations

from heapq import nlargest

from ...evidence.record import RunRecord
from ...evidence.verdict import Check, Verdict

NAME = "generator_lag"
FAILS_WHEN = "never"
UNKNOWN_WHEN = "more than 1 % of the requests left over 5 ms late"
LIMIT_S = 0.005
"""Limit in seconds: at 200 requests/s, the time between two requests. Above it, the load is not the planned one."""


def p99(run: RunRecord) -> float | None:
    """Return the 99th percentile of sent − due in seconds, without the warm-up, or None without requests."""
    count = len(run.measured)
    latest = nlargest(count - int(count * 0.99), (request.lag for request in run.measured))
    return round(latest[-1], 6) if latest else None


def check(run: RunRecord) -> Check:
    """Compare the 99th percentile with the limit."""
    lag = p99(run)
    if lag is None:
        return Check(NAME, Verdict.UNKNOWN, "no request after the warm-up")
    text = f"99 % of requests left at most {lag * 1000:.2f} ms late, limit {LIMIT_S * 1000:.0f} ms"
    return Check(NAME, Verdict.PASS if lag <= LIMIT_S else Verdict.UNKNOWN, text)
