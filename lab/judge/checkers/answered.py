"""Did every request get an answer in time, even if only an error? A balancer must not leave its clients waiting."""

from __future__ import annotations

from ...evidence.record import RunRecord
from ...evidence.verdict import Check, Verdict

NAME = "answered"
FAILS_WHEN = "a request waited for any answer longer than the scenario allows"
UNKNOWN_WHEN = "only requests on a busy host waited longer"


def check(run: RunRecord) -> Check:
    """Compare the longest latency of all requests, however they ended, with the scenario's limit."""
    limit = run.expect.answer_within
    if limit is None:
        return Check.not_asserted(NAME)
    longest = max((latency for request in run.measured if (latency := request.latency) is not None), default=None)
    if longest is None:
        return Check(NAME, Verdict.UNKNOWN, "no request after the warm-up")
    text = f"the longest wait was {longest:.3f} s, limit {limit:.3f} s"
    if longest <= limit:
        return Check(NAME, Verdict.PASS, text)
    late = [request for request in run.measured if request.ended is not None and request.ended - request.due > limit]
    text = f"{len(late)} of {len(run.measured)} requests had no answer in time: {text}"
    excused = all(run.host_was_busy_during(request) and request.error != "timeout" for request in late)
    return Check(NAME, Verdict.UNKNOWN if excused else Verdict.FAIL, text)
