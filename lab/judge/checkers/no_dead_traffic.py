"""Did the balancer send requests to a backend that it had taken out itself (drain, maintenance, down, ejected)?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ...evidence.availability import DRAIN, Availability, StateSpan, availability
from ...evidence.history import Request
from ...evidence.record import RunRecord
from ...evidence.verdict import Check, Verdict

NAME = "no_dead_traffic"
FAILS_WHEN = (
    "a request was sent to a backend that the balancer itself had taken out of use before the request was due"
    " (panic and draining sessions excepted)"
)
UNKNOWN_WHEN = ""
MARGIN_S = 0.02
"""Seconds from the balancer's decision (the time of its event) to the start of an attempt, if its event loop is
busy."""
_SHOWN = 3


def check(run: RunRecord) -> Check:
    """Look for requests that went to a backend that was out from before they were due until after they ended.

    Three kinds are allowed: any request while no backend is usable (panic), requests of a session whose backend is
    draining, and messages on a WebSocket that was opened before.
    """
    known = availability(run)
    if not known.reports_states:
        return Check.not_asserted(NAME, "this balancer does not report its backends' states")
    found = [*_sent_while_out(run, known)]
    if not found:
        outages = sum(map(len, known.out.values()))
        return Check(NAME, Verdict.PASS, f"no request was sent to a backend that was out ({outages} outages)")
    counts = Counter(f"{backend} while {span.state}" for _, backend, span in found)
    examples = "; ".join(f"#{request.id} at {request.due:.3f} s, {span.state} since {span.since:.3f} s"
                         for request, _, span in found[:_SHOWN])  # fmt: skip
    text = ", ".join(f"{count} to {where}" for where, count in counts.most_common())
    return Check(
        NAME, Verdict.FAIL, f"requests were sent to backends that the balancer had taken out: {text} ({examples})"
    )


def _sent_while_out(run: RunRecord, known: Availability) -> Iterator[tuple[Request, str, StateSpan]]:
    margin_s = MARGIN_S + run.clock_error_s
    for request in run.history.requests:
        for backend in request.tried:
            if backend not in known.out or request.ended is None or request.pinned:
                continue
            span = known.was_out(backend, request.due, request.ended, margin_s)
            if span is None or known.in_panic(request.due, request.ended, margin_s):
                continue
            if span.state != DRAIN or request.session is None:
                yield request, backend, span
