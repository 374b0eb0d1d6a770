"""Did every session stay on its backend for as long as that backend was there?

A session is the history's `session`: requests that carry one client's cookies. Its home is the backend of its first
good answer. Another backend may answer only if home was in doubt by then: out or suspected by the balancer's own word,
under a fault, or tried for that very request. After that either may be home, and the next answer decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from lab.availability import Availability, availability
from lab.history import Outcome, Request
from lab.record import Fault, RunRecord
from lab.verdict import Check, Verdict

NAME = "stickiness"
MARGIN_S = 0.02
_SHOWN = 3


def check(run: RunRecord) -> Check:
    """Every unjustified move of every session."""
    if not run.plan.expect.sticky:
        return Check(NAME, Verdict.PASS, "not asserted by the scenario")
    sessions = _sessions(run)
    compared = sum(len(requests) - 1 for requests in sessions.values())
    if compared <= 0:
        return Check(NAME, Verdict.UNKNOWN, "no session has two answers: the load keeps no cookies, or all failed")
    known = availability(run)
    moves = [move for requests in sessions.values() for move in _moves(requests, run, known)]
    text = f"{len(sessions)} sessions, {compared} answers after the first"
    if not moves:
        homes = {requests[0].backend for requests in sessions.values()}
        return Check(NAME, Verdict.PASS, f"{text}, none left its backend without need; {len(homes)} backends are home")
    examples = "; ".join(
        f"session {request.session} at {request.due:.3f} s from {home} to {request.backend}"
        for home, request in moves[:_SHOWN]
    )
    return Check(NAME, Verdict.FAIL, f"{text}, {len(moves)} left their backend although it was up: {examples}")


def _sessions(run: RunRecord) -> dict[int, list[Request]]:
    """Good answers by session, in order of their due times."""
    found: dict[int, list[Request]] = defaultdict(list)
    for request in run.history.requests:
        if request.session is not None and request.outcome is Outcome.OK and request.backend:
            found[request.session].append(request)
    return found


def _moves(requests: list[Request], run: RunRecord, known: Availability) -> Iterator[tuple[str, Request]]:
    homes = {requests[0].backend or ""}
    since = requests[0].due
    # Until then, requests of this session may carry no cookie, or that of a home that it has just lost.
    pinned_at = min(request.ended or 0.0 for request in requests)
    for request in requests[1:]:
        backend = request.backend or ""
        if request.due <= pinned_at:
            homes.add(backend)  # sent before the answer that brought the cookie: it could not be pinned by it
        elif backend in homes:
            homes = {backend}
        elif all(_in_doubt(home, since, request, run, known) for home in homes):
            homes.add(backend)
            pinned_at = max(pinned_at, request.ended or 0.0)
        else:
            yield min(homes), request
            homes = {backend}
        since = request.due


def _in_doubt(home: str, since: float, request: Request, run: RunRecord, known: Availability) -> bool:
    until = request.due if request.ended is None else request.ended
    if home in request.tried or known.was_doubtful(home, since, until, MARGIN_S + run.clock_error_s):
        return True
    return any(
        home in fault.backends and _overlaps(_begin(fault), fault.healed_at, since, until) for fault in run.faults
    )


def _begin(fault: Fault) -> float:
    """A fault bites before the call that injects it has returned."""
    return fault.window[0] if fault.requested_at is None else min(fault.requested_at, fault.window[0])


def _overlaps(begin: float, healed_at: float | None, since: float, until: float) -> bool:
    return begin < until and (healed_at is None or since < healed_at)
