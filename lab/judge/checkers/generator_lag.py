"""Was the generator itself on time? One that was not has measured the lab, not the balancer."""

from __future__ import annotations

from heapq import nlargest

from ...evidence.record import RunRecord
from ...evidence.verdict import Check, Verdict

NAME = "generator_lag"
LIMIT_S = 0.005
"""At 200 requests/s this is the gap between two requests: beyond it the load is not the one that was planned."""


def p99(run: RunRecord) -> float | None:
    """99th percentile of sent − due in seconds, the warm-up excluded; None without requests."""
    count = len(run.measured)
    latest = nlargest(count - int(count * 0.99), (request.lag for request in run.measured))
    return round(latest[-1], 6) if latest else None


def check(run: RunRecord) -> Check:
    """Unknown beyond the limit: the run is no evidence either way."""
    lag = p99(run)
    if lag is None:
        return Check(NAME, Verdict.UNKNOWN, "no request after the warm-up")
    text = f"99 % of requests left at most {lag * 1000:.2f} ms late, limit {LIMIT_S * 1000:.0f} ms"
    return Check(NAME, Verdict.PASS if lag <= LIMIT_S else Verdict.UNKNOWN, text)
