"""The two numbers the lab is about, from a run's record: how long until traffic left, and until it came back."""

from __future__ import annotations

from collections.abc import Iterable

from .events import Event
from .history import Outcome, Request
from .record import Fault, RunRecord


def reroute_s(fault: Fault, requests: Iterable[Request], slow_s: float) -> float | None:
    """Seconds from injection to the last moment traffic still went to the target; 0.0 if none did, None if no fault.

    A request counts when the balancer tried the target for it while the fault was on, or when it went badly and
    nothing proves that it did not touch the target. It counts at its due time: that is when its client wanted it.
    """
    begin, end = fault.window
    if fault.injected_at is None:
        return None
    moments = (request.due - begin for request in requests if _suffered(fault, request, begin, end, slow_s))
    return round(max(moments, default=0.0), 6)


def _suffered(fault: Fault, request: Request, begin: float, end: float, slow_s: float) -> bool:
    if request.pinned or not begin <= request.due < end:
        return False
    touches = fault.touches(request)
    return request.is_bad(slow_s) if touches is None else touches


def readmitted_at(fault: Fault, run: RunRecord) -> float | None:
    """When the balancer used the target again after its heal began: its own word, else the first good answer."""
    _, healing = fault.window
    told = next((event.t for event in _came_up(fault, run) if event.t >= healing), None)
    return told if told is not None else first_answer_at(fault, run)


def first_answer_at(fault: Fault, run: RunRecord) -> float | None:
    """When the first good answer from the target ended that was requested after its heal began."""
    _, healing = fault.window
    answers = (
        request.ended
        for request in run.history.requests
        if request.due >= healing and request.ended is not None and _answered_by(fault, request)
    )
    return min(answers, default=None)


def troubled_until(fault: Fault, run: RunRecord) -> float:
    """When the fault is over for the balancer: its target healed and back in use. Infinite: it is not."""
    back = readmitted_at(fault, run)
    return float("inf") if fault.healed_at is None or back is None else max(fault.healed_at, back)


def readmit_s(fault: Fault, run: RunRecord) -> float | None:
    """Seconds from the healed target being seen to work to the balancer using it again; None: it did not.

    Not negative: a balancer that finds out before the chaos service does is not ahead of the truth.
    """
    at = readmitted_at(fault, run)
    if at is None or fault.healed_at is None:
        return None
    return round(max(0.0, at - fault.healed_at), 6)


def detected_at(fault: Fault, run: RunRecord) -> float | None:
    """When the balancer first took the target out during the fault; None: it never did."""
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
