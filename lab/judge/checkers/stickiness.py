"""Did every session stay on its backend while that backend was available?

A session is the sequence of requests with one client's cookies (`session` in the history). Its home is the backend of
its first good response. Another backend may answer only if home was in doubt at the time: out or suspected according to
the balancer's events, under a fault, or tried for that same request. The balancer sets a new cookie only if home is
unavailable. So after a move in doubt, both backends count as home until a response without doubt comes from one of
them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ...evidence.availability import Availability, availability
from ...evidence.history import Outcome, Request
from ...evidence.record import Fault, RunRecord
from ...evidence.verdict import Check, Verdict
from ...services.identification import NOT_KNOWN

NAME = "stickiness"
FAILS_WHEN = "a session left its backend while the backend was up"
UNKNOWN_WHEN = "no session has two answers"
MARGIN_S = 0.02
_SHOWN = 3


def check(run: RunRecord) -> Check:
    """Look for sessions that moved although their backend was available."""
    if not run.expect.sticky:
        return Check.not_asserted(NAME)
    if not run.backends_are_known:
        return Check.not_asserted(NAME, NOT_KNOWN)
    sessions = _sessions(run)
    compared = sum(len(requests) - 1 for requests in sessions.values())
    if compared <= 0:
        return Check(
            NAME, Verdict.UNKNOWN, "no session has two good answers: the load has no sessions, or requests failed"
        )
    known = availability(run)
    moves = [move for requests in sessions.values() if _saw_several(requests) for move in _moves(requests, run, known)]
    text = f"{len(sessions)} sessions, {compared} answers after the first"
    if not moves:
        homes = {requests[0].backend for requests in sessions.values()}
        return Check(NAME, Verdict.PASS, f"{text}, none left an available backend; {len(homes)} backends have sessions")
    examples = "; ".join(
        f"session {request.session} at {request.due:.3f} s from {home} to {request.backend}"
        for home, request in moves[:_SHOWN]
    )
    return Check(NAME, Verdict.FAIL, f"{text}, {len(moves)} left their backend although it was up: {examples}")


def _sessions(run: RunRecord) -> dict[int, list[Request]]:
    """Return the good answers of each session, in order of their due times."""
    found: dict[int, list[Request]] = defaultdict(list)
    for request in run.history.requests:
        if request.session is not None and request.outcome is Outcome.OK and request.backend:
            found[request.session].append(request)
    return found


def _saw_several(requests: list[Request]) -> bool:
    """Return whether more than one backend answered; otherwise the session cannot have moved."""
    return any(request.backend != requests[0].backend for request in requests)


def _moves(requests: list[Request], run: RunRecord, known: Availability) -> Iterator[tuple[str, Request]]:
    """Yield each unjustified move: the backend that the session left, and the request.

    Sends and answers are visited in order of time: a request carries the cookie that its client had when it was sent.
    """
    homes: frozenset[str] = frozenset()
    known_when_sent: dict[int, frozenset[str]] = {}
    for request, answered in _in_order(requests):
        if not answered:
            known_when_sent[request.id] = homes
            continue
        backend, pins = request.backend or "", known_when_sent[request.id]
        doubtful = {home for home in pins if _in_doubt(home, request, run, known)}
        if backend in pins and homes == pins:
            homes = frozenset({backend} | doubtful)  # the cookie may still name a backend that was in doubt
        elif not pins or backend in pins or doubtful:
            homes |= {backend}
        else:
            yield min(pins), request
            homes = frozenset({backend})


def _in_order(requests: list[Request]) -> list[tuple[Request, bool]]:
    """Return each request twice in order of time: when it was sent, and when it was answered (True).

    If two times are equal, sending comes first.
    """
    moments = [(request.sent, False, request) for request in requests]
    moments += [(request.ended or 0.0, True, request) for request in requests]
    moments.sort(key=lambda moment: moment[:2])
    return [(request, answered) for _, answered, request in moments]


def _in_doubt(home: str, request: Request, run: RunRecord, known: Availability) -> bool:
    since, until = request.due, request.due if request.ended is None else request.ended
    if home in request.tried or known.was_doubtful(home, since, until, MARGIN_S + run.clock_error_s):
        return True
    return any(home in fault.backends and _overlaps(fault, since, until) for fault in run.faults)


def _overlaps(fault: Fault, since: float, until: float) -> bool:
    return fault.begun_at < until and (fault.healed_at is None or since < fault.healed_at)
