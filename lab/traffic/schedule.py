"""What is sent when: follows from the plan alone, so that a run can be repeated request by request."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, islice, takewhile
from random import Random
from urllib.parse import urlsplit

from lab.history import invocation_shape
from lab.scenario.plan import Plan, PlannedRequest
from lab.traffic.pacer import due_times


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request to come. `due` is seconds since the run's start."""

    id: int
    due: float
    kind: PlannedRequest


def arrivals(plan: Plan) -> Iterator[Arrival]:
    """Every request of the plan in order of due time, bounded in time and in number."""
    load = plan.load
    times = due_times(load.pacing, load.rate, Random(f"{plan.seed}:arrivals"))
    pick = Random(f"{plan.seed}:mix")
    edges = [*accumulate(kind.share for kind in load.mix)]
    bounded = islice(takewhile(lambda due: due < plan.traffic_limit_s, times), plan.traffic_limit_count)
    for number, due in enumerate(bounded):
        # The last edge may be 0.9999…: a draw above it belongs to the last kind.
        chosen = min(bisect_right(edges, pick.random()), len(edges) - 1)
        yield Arrival(number, due, load.mix[chosen])


@dataclass(frozen=True, slots=True)
class Message:
    """A request ready to be sent, and how the history names it."""

    payload: bytes
    shape: str


class Renderer:
    """Arrivals → bytes. Job ids and request ids start with the run's id, so that ledgers can be asked for one run."""

    def __init__(self, target: str, run_id: str, *, keep_alive: bool) -> None:
        self._run_id = run_id
        self._fields = f"Host: {urlsplit(target).netloc}\r\nX-Request-Id: {run_id}-"
        self._close = "" if keep_alive else "Connection: close\r\n"
        self._plain_shapes: dict[PlannedRequest, str] = {}

    def render(self, arrival: Arrival) -> Message:
        """The message of one arrival; a POST carries the id of its job."""
        kind = arrival.kind
        head = f"{kind.method} {kind.path} HTTP/1.1\r\n{self._fields}{arrival.id}\r\n{self._close}"
        if kind.method != "POST":
            return Message(f"{head}\r\n".encode(), self._plain_shape(kind))
        key = f"{self._run_id}-{arrival.id}"
        body = json.dumps({"id": key})
        fields = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return Message(f"{head}{fields}\r\n{body}".encode(), invocation_shape(kind.method, kind.path, key))

    def _plain_shape(self, kind: PlannedRequest) -> str:
        shape = self._plain_shapes.get(kind)
        if shape is None:
            shape = self._plain_shapes[kind] = invocation_shape(kind.method, kind.path, None)
        return shape
