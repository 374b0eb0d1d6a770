"""Did the balancer send anything to a backend that it had itself taken out: drained, down, ejected, in maintenance?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ...evidence.availability import DRAIN, Availability, Span, availability
from ...evidence.history import Request
from ...evidence.record import RunRecord
from ...evidence.verdict import Check, Verdict

NAME = "no_dead_traffic"
MARGIN_S = 0.02
"""Between the core's decision, which stamps the event, and the start of an attempt: turns of a busy event loop."""
_SHOWN = 3


def check(run: RunRecord) -> Check:
    """A request counts when its backend was out from before it was due until after it ended: no attempt can have been
    in time. Exempt are times without any usable backend (panic), and sessions on a draining one, and
    messages on a WebSocket that it has: they may finish.
    """
    known = availability(run)
    if not known.told:
        return Check.not_asserted(NAME, "this balancer does not tell its backends' states")
    found = [*_sent_to_the_dead(run, known)]
    if not found:
        outages = sum(map(len, known.out.values()))
        return Check(NAME, Verdict.PASS, f"nothing was sent to a backend that was out ({outages} times one was)")
    counts = Counter(f"{backend} while {span.state}" for _, backend, span in found)
    examples = "; ".join(f"#{request.id} at {request.due:.3f} s, {span.state} since {span.since:.3f} s"
                         for request, _, span in found[:_SHOWN])  # fmt: skip
    text = ", ".join(f"{count} to {where}" for where, count in counts.most_common())
    return Check(
        NAME, Verdict.FAIL, f"requests were sent to backends that the balancer had taken out: {text} ({examples})"
    )


def _sent_to_the_dead(run: RunRecord, known: Availability) -> Iterator[tuple[Request, str, Span]]:
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
