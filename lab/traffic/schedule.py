"""What is sent when: follows from the plan alone, so that a run can be repeated request by request."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, islice, takewhile
from random import Random

from ..evidence.history import invocation_shape
from ..scenario.plan import Plan, PlannedRequest
from .pacer import due_times


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request to come. `due` is seconds since the run's start."""

    id: int
    due: float
    kind: PlannedRequest
    session: int | None = None


def arrivals(plan: Plan) -> Iterator[Arrival]:
    """Every request of the plan in order of due time, bounded in time and in number."""
    load = plan.load
    times = due_times(load.pacing, load.rate, Random(f"{plan.seed}:arrivals"))
    pick = Random(f"{plan.seed}:mix")
    who = Random(f"{plan.seed}:sessions")
    edges = [*accumulate(kind.share for kind in load.mix)]
    bounded = islice(takewhile(lambda due: due < plan.traffic_limit_s, times), plan.traffic_limit_count)
    for number, due in enumerate(bounded):
        # The last edge may be 0.9999…: a draw above it belongs to the last kind.
        chosen = min(bisect_right(edges, pick.random()), len(edges) - 1)
        yield Arrival(number, due, load.mix[chosen], who.randrange(load.sessions) if load.sessions else None)


@dataclass(frozen=True, slots=True)
class Message:
    """A request ready to be sent, and how the history names it."""

    payload: bytes
    shape: str


class Renderer:
    """Arrivals → bytes. Job ids and request ids start with the run's id, so that ledgers can be asked for one run."""

    def __init__(self, host: str, run_id: str, *, keep_alive: bool) -> None:
        self._run_id = run_id
        self._fields = f"Host: {host}\r\nX-Request-Id: {run_id}-"
        self._close = "" if keep_alive else "Connection: close\r\n"
        self._shapes: dict[tuple[PlannedRequest, int | None], str] = {}

    def render(self, arrival: Arrival, cookies: str = "") -> Message:
        """The message of one arrival; a POST carries the id of its job. `cookies` are those of its session."""
        kind = arrival.kind
        if kind.method == "WS":
            return Message(_text(arrival.id, kind.body_bytes), self._shape(arrival))
        who = "" if arrival.session is None else f"X-Client-Id: {arrival.session}\r\n"
        jar = f"Cookie: {cookies}\r\n" if cookies else ""
        head = f"{kind.method} {kind.path} HTTP/1.1\r\n{self._fields}{arrival.id}\r\n{self._close}{who}{jar}"
        if kind.method == "POST":
            key = f"{self._run_id}-{arrival.id}"
            shape = invocation_shape(kind.method, kind.path, key, arrival.session)
            return Message(_with_body(head, json.dumps({"id": key}).encode(), "application/json"), shape)
        if kind.method == "PUT":
            body = _text(arrival.id, kind.body_bytes)
            return Message(_with_body(head, body, "application/octet-stream"), self._shape(arrival))
        return Message(f"{head}\r\n".encode(), self._shape(arrival))

    def _shape(self, arrival: Arrival) -> str:
        key = (arrival.kind, arrival.session)
        shape = self._shapes.get(key)
        if shape is None:
            shape = invocation_shape(arrival.kind.method, arrival.kind.path, None, arrival.session)
            self._shapes[key] = shape
        return shape


def _with_body(head: str, body: bytes, content_type: str) -> bytes:
    return f"{head}Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _text(number: int, size: int) -> bytes:
    """`size` bytes that differ from request to request: an answer to somebody else's request shows."""
    return f"{number:020d}".encode().ljust(size, b".")[:size]
