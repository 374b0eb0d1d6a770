"""Which request is sent when. The plan alone determines it, so a run can be repeated request by request."""

from __future__ import annotations

import base64
import json
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, islice, takewhile
from random import Random
from typing import Final, NamedTuple

from ..evidence.history import invocation_fields
from ..scenario.plan import Plan, PlannedRequest
from .pacer import due_times
from .response_check import EchoCheck, ResponseCheck, answer_check


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request to be sent; `due` is in seconds since the run's start."""

    id: int
    due: float
    kind: PlannedRequest
    session: int | None = None


def arrivals(plan: Plan) -> Iterator[Arrival]:
    """Yield every request of the plan in order of due time, up to the plan's limits of time and number."""
    load = plan.load
    times = due_times(load.pacing, load.rate, Random(f"{plan.seed}:arrivals"))
    pick = Random(f"{plan.seed}:mix")
    sessions = Random(f"{plan.seed}:sessions")
    edges = [*accumulate(kind.share for kind in load.mix)]
    bounded = islice(takewhile(lambda due: due < plan.traffic_limit_s, times), plan.traffic_limit_count)
    for number, due in enumerate(bounded):
        # The last edge may be 0.9999…; a random number above it selects the last kind.
        chosen = min(bisect_right(edges, pick.random()), len(edges) - 1)
        yield Arrival(number, due, load.mix[chosen], sessions.randrange(load.sessions) if load.sessions else None)


class Message(NamedTuple):
    """A request as bytes, and its part of the history line (`lab.evidence.history.invocation_fields`)."""

    payload: bytes
    invocation: str
    check: ResponseCheck | None = None
    """Check of the response; None: every status below 400 is good."""
    host: str = ""
    """Host of the request if it is not the target's."""


@dataclass(frozen=True, slots=True)
class _Template:
    """The parts of a generic request that are the same each time."""

    head: str
    """Request line and header fields, each with its CRLF."""
    names_request: bool
    """Whether the load itself sets `X-Request-Id`."""
    cookies: str
    body: bytes
    check: ResponseCheck | None
    host: str


class Renderer:
    """Renders requests. Job ids and request ids start with the run's id, so ledgers can be queried for one run."""

    def __init__(self, host: str, run_id: str, *, keep_alive: bool, prefix: str = "") -> None:
        self._prefix = prefix
        self._host = host
        self._run_id = run_id
        self._fields = f"Host: {host}\r\nX-Request-Id: {run_id}-"
        self._close = "" if keep_alive else "Connection: close\r\n"
        self._invocations: dict[tuple[PlannedRequest, int | None], str] = {}
        self._templates: dict[PlannedRequest, _Template] = {}

    def render(self, arrival: Arrival, cookies: str = "") -> Message:
        """Return the message of one request. `cookies` is its `Cookie` header. A job carries its id."""
        kind = arrival.kind
        if kind.method == "WS":
            return Message(_body(arrival.id, kind.body_bytes), self._invocation(arrival))
        client = "" if arrival.session is None else f"X-Client-Id: {arrival.session}\r\n"
        if kind.exchange is not None:
            return self._generic(arrival, cookies, client)
        cookie = f"Cookie: {cookies}\r\n" if cookies else ""
        first = f"{kind.method} {self._prefix}{kind.path} HTTP/1.1\r\n"
        head = f"{first}{self._fields}{arrival.id}\r\n{self._close}{client}{cookie}"
        if kind.method == "POST":
            key = f"{self._run_id}-{arrival.id}"
            invocation = invocation_fields(kind.method, kind.path, key, arrival.session)
            return Message(_with_body(head, json.dumps({"id": key}).encode(), "application/json"), invocation)
        if kind.method == "PUT":
            body = _body(arrival.id, kind.body_bytes)
            message = _with_body(head, body, "application/octet-stream")
            return Message(message, self._invocation(arrival), EchoCheck(kind.body_bytes))
        return Message(f"{head}\r\n".encode(), self._invocation(arrival))

    def _generic(self, arrival: Arrival, cookies: str, client: str) -> Message:
        """Return the message of a request to any application."""
        template = self._templates.get(arrival.kind)
        if template is None:
            template = self._templates[arrival.kind] = self._template(arrival.kind)
        request = "" if template.names_request else f"X-Request-Id: {self._run_id}-{arrival.id}\r\n"
        all_cookies = "; ".join(filter(None, (template.cookies, cookies)))
        cookie = f"Cookie: {all_cookies}\r\n" if all_cookies else ""
        body = template.body or _body(arrival.id, arrival.kind.body_bytes)
        payload = f"{template.head}{request}{client}{cookie}\r\n".encode() + body
        return Message(payload, self._invocation(arrival), template.check, template.host)

    def _template(self, kind: PlannedRequest) -> _Template:
        assert kind.exchange is not None
        given = {name.lower(): value for name, value in kind.exchange.headers}
        body = base64.b64decode(kind.exchange.body)
        size = len(body) or kind.body_bytes
        lines = [f"{kind.method} {self._prefix}{kind.path} HTTP/1.1", f"Host: {given.get('host', self._host)}"]
        lines += [f"{name}: {value}" for name, value in kind.exchange.headers if name.lower() not in {"host", "cookie"}]
        if size or kind.method in _WITH_LENGTH:
            lines.append(f"Content-Length: {size}")
        return _Template(
            head="".join(f"{line}\r\n" for line in lines) + self._close,
            names_request="x-request-id" in given,
            cookies=given.get("cookie", ""),
            body=body,
            check=answer_check(kind.exchange),
            host=given.get("host", ""),
        )

    def _invocation(self, arrival: Arrival) -> str:
        """Return the cached invocation fields of requests without a job id."""
        key = (arrival.kind, arrival.session)
        fields = self._invocations.get(key)
        if fields is None:
            kind = arrival.kind
            idempotent = None if kind.exchange is None else kind.exchange.idempotent
            fields = invocation_fields(kind.method, kind.path, None, arrival.session, idempotent)
            self._invocations[key] = fields
        return fields


_WITH_LENGTH: Final = frozenset({"POST", "PUT", "PATCH"})
"""Methods whose requests say the length of their body even if it is 0 (RFC 9110 §8.6)."""


def _with_body(head: str, body: bytes, content_type: str) -> bytes:
    return f"{head}Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _body(number: int, size: int) -> bytes:
    """Return `size` bytes that differ between requests, so that the echo of another request is detected."""
    return f"{number:020d}".encode().ljust(size, b".")[:size]
