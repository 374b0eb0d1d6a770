"""`GET /decisions`: why the latest requests went where they went. Rings of records, put into words only when read."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import merge
from itertools import islice
from typing import Any, Final

from ..core.backend import State
from ..core.decisions import Cancelled, Failed, FleetSnapshot, Picked, Refused, Step, Waited
from ..proxy.request_record import Record

SMOOTH: Final = 100
"""So many of the requests that went smoothly are kept: the first pick answered, and well. They are all alike, and would
push out the others; and a record is a kilobyte of small objects, of which a thousand do not fit a processor's cache
beside everything else: that cost each request a tenth more."""


class DecisionLog:
    """The last `capacity` requests that did not go smoothly, and the last `SMOOTH` of those that did.

    Keeping one costs an append; the record and its story exist anyway.
    """

    def __init__(self, capacity: int) -> None:
        self._smooth: deque[Record] = deque()
        self._notable: deque[Record] = deque()
        self.resize(capacity)

    def keep(self, record: Record) -> None:
        """A request is over (`OnDone`). One that was refused for its form decided nothing."""
        if len(record.story) == 1 and not record.error and record.status < 500:
            self._smooth.append(record)
        elif record.method:
            self._notable.append(record)

    def resize(self, capacity: int) -> None:
        """Keep another number from now on, the newest of those that are here among them."""
        self._smooth = deque(self._smooth, maxlen=min(capacity, SMOOTH))
        self._notable = deque(self._notable, maxlen=capacity)

    def latest(self, last: int, backend: str = "", request_id: str = "") -> list[dict[str, Any]]:
        """At most `last` requests, the newest first; only those that were tried on `backend`, or have that id."""
        chosen = (
            record
            for record in merge(reversed(self._smooth), reversed(self._notable), key=_ended, reverse=True)
            if (not request_id or record.request_id == request_id.encode("latin-1", "replace"))
            and (not backend or any(isinstance(s, Picked) and s.backend.id == backend for s in record.story))
        )
        return [described(record) for record in islice(chosen, last)]


def _ended(record: Record) -> float:
    return record.started + record.total_s


def described(record: Record) -> dict[str, Any]:
    """One request and every decision about it. Times of steps are milliseconds after its arrival."""
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


def _steps(record: Record) -> Iterator[dict[str, Any]]:
    begun: dict[str, float] = {}
    for step in record.story:
        told = {"at_ms": _ms(step.at - record.started), **_told(step)}
        if isinstance(step, Picked):
            begun[step.backend.id] = step.at
        elif isinstance(step, Failed | Cancelled):
            told["took_ms"] = _ms(step.at - begun.get(step.backend.id, step.at))
        yield told


def _told(step: Step) -> dict[str, Any]:
    match step:
        case Picked():
            return {"step": "picked", "backend": step.backend.id, "why": _why(step), **_candidates(step)}
        case Failed():
            told = {"step": "failed", "backend": step.backend.id, "failure": step.failure}
            return {**told, "retried": step.retried, "reason": step.reason}
        case Cancelled():
            return {"step": "cancelled", "backend": step.backend.id}
        case Waited():
            return {"step": "queued", "reason": "every usable backend is at its cap"}
        case Refused():
            return {"step": "refused", "status": step.status, "reason": step.reason}


def _why(step: Picked) -> str:
    held = dict(zip(step.snapshot.usable, step.loads, strict=True)).get(step.backend) if step.loads else None
    among = f"of {len(step.snapshot.usable)} usable"
    holding = f", {held} in flight there" if held is not None else ""
    match step.why:
        case "pinned":
            return f"its sticky cookie names it{holding}"
        case "retry":
            return f"{step.policy} {among}, without those tried{holding}"
        case "hedge":
            return f"hedge: another attempt stalls; {step.policy} {among}{holding}"
        case "queued":
            return f"its turn in the queue came; {step.policy} {among}{holding}"
        case _:
            return f"{step.policy} {among}{holding}"


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
            for backend_id, state, suspected, usable in _standing(snapshot)
        ],
        "known": snapshot.known,
    }


def _standing(snapshot: FleetSnapshot) -> Iterator[tuple[str, State, bool, bool]]:
    usable = {backend.id for backend in snapshot.usable}
    for backend_id, state, suspected in snapshot.states:
        yield backend_id, state, suspected, backend_id in usable


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
