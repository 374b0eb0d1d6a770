"""Did every session stay on its backend for as long as that backend was there?

A session is the history's `session`: requests that carry one client's cookies. Its home is the backend of its first
good answer. Another backend may answer only if home was in doubt by then: out or suspected by the balancer's own word,
under a fault, or tried for that very request. A balancer pins anew only when home is really gone, so after that either
may be home, until an answer decides at a time when there is no doubt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ...evidence.availability import Availability, availability
from ...evidence.history import Outcome, Request
from ...evidence.record import Fault, RunRecord
from ...evidence.verdict import Check, Verdict

NAME = "stickiness"
MARGIN_S = 0.02
_SHOWN = 3


def check(run: RunRecord) -> Check:
    """Every unjustified move of every session."""
    if not run.plan.expect.sticky:
        return Check.not_asserted(NAME)
    sessions = _sessions(run)
    compared = sum(len(requests) - 1 for requests in sessions.values())
    if compared <= 0:
        return Check(NAME, Verdict.UNKNOWN, "no session has two answers: the load keeps no cookies, or all failed")
    known = availability(run)
    moves = [move for requests in sessions.values() if _saw_several(requests) for move in _moves(requests, run, known)]
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


def _saw_several(requests: list[Request]) -> bool:
    """A session that only ever met one backend has not left it: there is nothing to go through."""
    return any(request.backend != requests[0].backend for request in requests)


def _moves(requests: list[Request], run: RunRecord, known: Availability) -> Iterator[tuple[str, Request]]:
    """Goes through departures and answers in order of time: a request can only be held to what its client knew then."""
    homes: frozenset[str] = frozenset()
    known_when_sent: dict[int, frozenset[str]] = {}
    for request, answered in _in_order(requests):
        if not answered:
            known_when_sent[request.id] = homes
            continue
        backend, pins = request.backend or "", known_when_sent[request.id]
        doubtful = {home for home in pins if _in_doubt(home, request, run, known)}
        if backend in pins and homes == pins:
            homes = frozenset({backend} | doubtful)  # one that is in doubt may still be what the cookie says
        elif not pins or backend in pins or doubtful:
            homes |= {backend}
        else:
            yield min(pins), request
            homes = frozenset({backend})


def _in_order(requests: list[Request]) -> list[tuple[Request, bool]]:
    """Each request twice: when it left, and when it was answered. At the same moment, answers come last."""
    moments = [(request.sent, False, request) for request in requests]
    moments += [(request.ended or 0.0, True, request) for request in requests]
    moments.sort(key=lambda moment: moment[:2])
    return [(request, answered) for _, answered, request in moments]


def _in_doubt(home: str, request: Request, run: RunRecord, known: Availability) -> bool:
    since, until = request.due, request.due if request.ended is None else request.ended
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
