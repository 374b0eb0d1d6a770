"""`GET /decisions`: the latest requests, their backends and the reasons. Records are formatted only when read."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import merge
from itertools import islice
from typing import Any, Final

from ..core.backend import State
from ..core.decisions import Cancelled, Failed, FleetSnapshot, Picked, Refused, Step, Waited
from ..proxy.request_record import RequestRecord

MAX_UNEVENTFUL: Final = 100
"""Maximum of kept requests whose first backend answered without an error. They look alike and would displace the
others. More of them would also cost CPU: a record is a kilobyte of small objects, and a thousand of them no longer fit
into the processor's cache with everything else, which made each request a tenth more expensive."""


class DecisionLog:
    """The last `capacity` requests that had a failure, retry, hedge or wait, and the last `MAX_UNEVENTFUL` others.

    Keeping a request costs one append, because its record exists anyway.
    """

    def __init__(self, capacity: int) -> None:
        self._uneventful: deque[RequestRecord] = deque()
        self._notable: deque[RequestRecord] = deque()
        self.resize(capacity)

    def done(self, record: RequestRecord) -> None:
        """Keep the record of a finished request (`OnDone`). For a malformed request there was no decision to keep."""
        if len(record.story) == 1 and not record.error and record.status < 500:
            self._uneventful.append(record)
        elif record.method:
            self._notable.append(record)

    def resize(self, capacity: int) -> None:
        """Change the capacity; the newest records stay."""
        self._uneventful = deque(self._uneventful, maxlen=min(capacity, MAX_UNEVENTFUL))
        self._notable = deque(self._notable, maxlen=capacity)

    def latest(self, last: int, backend: str = "", request_id: str = "") -> list[dict[str, Any]]:
        """Return at most `last` requests, newest first. `backend` and `request_id`, if not empty, filter them."""
        chosen = (
            record
            for record in merge(reversed(self._uneventful), reversed(self._notable), key=_ended, reverse=True)
            if (not request_id or record.request_id == request_id.encode("latin-1", "replace"))
            and (not backend or any(isinstance(s, Picked) and s.backend.id == backend for s in record.story))
        )
        return [as_dict(record) for record in islice(chosen, last)]


def _ended(record: RequestRecord) -> float:
    return record.started + record.total_s


def as_dict(record: RequestRecord) -> dict[str, Any]:
    """Return a request with all decisions about it, for JSON. Steps have milliseconds since the request's arrival."""
    return {
        "id": record.request_id.decode("latin-1"),
        "mono": record.started,
        "method": record.method,
        "target": record.target.decode("latin-1"),
        "status": record.status or None,
        "backend": record.backend or None,
        "outcome": record.error or "ok",
        "attempts": record.attempts,
        "total_ms": _ms(record.total_s),
        "backend_ms": _ms(record.backend_s) if record.backend else None,
        "steps": list(_steps(record)),
    }


def _steps(record: RequestRecord) -> Iterator[dict[str, Any]]:
    started: dict[str, float] = {}
    for step in record.story:
        fields = {"at_ms": _ms(step.at - record.started), **_step_fields(step)}
        if isinstance(step, Picked):
            started[step.backend.id] = step.at
        elif isinstance(step, Failed | Cancelled):
            fields["took_ms"] = _ms(step.at - started.get(step.backend.id, step.at))
        yield fields


def _step_fields(step: Step) -> dict[str, Any]:
    match step:
        case Picked():
            return {"step": "picked", "backend": step.backend.id, "why": _why(step), **_candidates(step)}
        case Failed():
            fields = {"step": "failed", "backend": step.backend.id, "failure": step.failure}
            return {**fields, "retried": step.retried, "reason": step.reason}
        case Cancelled():
            return {"step": "cancelled", "backend": step.backend.id}
        case Waited():
            return {"step": "queued", "reason": "every usable backend is at its cap"}
        case Refused():
            return {"step": "refused", "status": step.status, "reason": step.reason}


def _why(step: Picked) -> str:
    in_flight = dict(zip(step.snapshot.usable, step.loads, strict=True)).get(step.backend) if step.loads else None
    among = f"of {len(step.snapshot.usable)} usable"
    load = f", {in_flight} in flight there" if in_flight is not None else ""
    match step.why:
        case "pinned":
            return f"its sticky cookie names it{load}"
        case "retry":
            return f"{step.policy} {among}, without those tried{load}"
        case "hedge":
            return f"hedge: another attempt stalls; {step.policy} {among}{load}"
        case "queued":
            return f"first in the queue; {step.policy} {among}{load}"
        case _:
            return f"{step.policy} {among}{load}"


def _candidates(step: Picked) -> dict[str, Any]:
    snapshot = step.snapshot
    loads = dict(zip((backend.id for backend in snapshot.usable), step.loads, strict=False))
    return {
        "candidates": [
            {
                "id": backend_id,
                "state": state.value,
                "suspected": suspected,
                "usable": usable,
                "in_flight": loads.get(backend_id) if usable else None,
            }
            for backend_id, state, suspected, usable in _states(snapshot)
        ],
        "known": snapshot.known,
    }


def _states(snapshot: FleetSnapshot) -> Iterator[tuple[str, State, bool, bool]]:
    usable = {backend.id for backend in snapshot.usable}
    for backend_id, state, suspected in snapshot.states:
        yield backend_id, state, suspected, backend_id in usable


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
