"""Time to reroute and time to readmit, computed from the record of a run.

Time to reroute: from a fault's injection until traffic leaves its target. Time to readmit: from the heal until the
balancer uses the target again.

All functions are pure and take times from the record of a run.
"""

from __future__ import annotations

from collections.abc import Iterable

from .events import Event
from .history import Outcome, Request
from .record import Fault, RunRecord


def reroute_s(fault: Fault, requests: Iterable[Request], slow_s: float) -> float | None:
    """Return the seconds from injection to the last request that still went to the target.

    Return 0.0 if no request did, and None if the fault was not injected. A request counts if the balancer tried the
    target for it during the fault, or if it was bad (see `Request.is_bad`) and nothing proves that it did not reach the
    target. Its due time counts, because that is when its client wanted an answer.
    """
    begin, end = fault.window
    if fault.injected_at is None:
        return None
    delays = (request.due - begin for request in requests if _is_affected(fault, request, begin, end, slow_s))
    return round(max(delays, default=0.0), 6)


def _is_affected(fault: Fault, request: Request, begin: float, end: float, slow_s: float) -> bool:
    if request.pinned or not begin <= request.due < end:
        return False
    touches = fault.touches(request)
    return request.is_bad(slow_s) if touches is None else touches


def readmitted_at(fault: Fault, run: RunRecord) -> float | None:
    """Return when the balancer used the target again after healing began, in seconds since the run's start, or None.

    The balancer's event that the target is up decides. For a balancer without events, the first good response decides.
    """
    _, healing = fault.window
    reported = next((event.t for event in _came_up(fault, run) if event.t >= healing), None)
    return reported if reported is not None else first_answer_at(fault, run)


def first_answer_at(fault: Fault, run: RunRecord) -> float | None:
    """Return when the target gave its first good response to a request that was due after healing began, or None."""
    _, healing = fault.window
    answers = (
        request.ended
        for request in run.history.requests
        if request.due >= healing and request.ended is not None and _answered_by(fault, request)
    )
    return min(answers, default=None)


def troubled_until(fault: Fault, run: RunRecord) -> float:
    """Return when the target was both healed and in use again; infinite if that did not happen."""
    back = readmitted_at(fault, run)
    return float("inf") if fault.healed_at is None or back is None else max(fault.healed_at, back)


def readmit_s(fault: Fault, run: RunRecord) -> float | None:
    """Return the seconds from the verified heal until the balancer used the target again, or None if it did not.

    Never negative: the balancer may notice that the target works before the chaos service has verified it.
    """
    at = readmitted_at(fault, run)
    if at is None or fault.healed_at is None:
        return None
    return round(max(0.0, at - fault.healed_at), 6)


def detected_at(fault: Fault, run: RunRecord) -> float | None:
    """Return when the balancer first took the target out during the fault; None if it never did."""
    begin, end = fault.window
    return next(
        (event.t for event in run.transitions(fault.backends) if begin <= event.t < end and not _is_up(event)), None
    )


def _came_up(fault: Fault, run: RunRecord) -> list[Event]:
    return [event for event in run.transitions({*fault.backends, *fault.backends_after}) if _is_up(event)]


def _is_up(event: Event) -> bool:
    return str(event.data.get("new", "")).lower() == "up"


def _answered_by(fault: Fault, request: Request) -> bool:
    if request.outcome is not Outcome.OK:
        return False
    return request.backend in fault.backends_after or (request.instance or "") == fault.instance != ""
