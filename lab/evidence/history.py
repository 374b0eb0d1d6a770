"""The history of a run: every request's invocation and outcome (`history.jsonl`), written first and judged later.

The writer flushes the invocation before the request leaves, so that no request can have happened that the history
does not know. The reader accepts a file that was cut at any byte and says what is missing.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from ..output.json_text import dumps


class Outcome(StrEnum):
    """How a request ended for its client."""

    OK = "ok"
    FAIL = "fail"
    """Answered badly, or refused before anything was sent: the client was told."""
    UNKNOWN = "unknown"
    """May have happened: the client's patience ran out, or the connection was cut after sending."""


IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""RFC 9110 §9.2.2, without TRACE, which no load sends."""


class Ending(msgspec.Struct, frozen=True, gc=False):
    """How requests end, apart from when. Most end like many others: those share one `Ending`."""

    outcome: Outcome | None = None
    """None: the history ends before the outcome."""
    status: int | None = None
    instance: str | None = None
    """The replica that answered, by its own word."""
    backend: str | None = None
    """The balancer's id of the backend whose answer this is."""
    tried: tuple[str, ...] = ()
    """Ids of all backends the balancer tried, in order; empty when no answer arrived or the balancer does not tell."""
    error: str | None = None
    size: int | None = None
    """Bytes of the answer's body as received; None where nobody counted."""
    pinned: bool = False
    """Sent on a WebSocket whose backend had been chosen for an earlier message: nothing the balancer could reroute."""


OPEN = Ending()
"""Of a request whose outcome is not in the history."""


class Request(msgspec.Struct, eq=False, gc=False):
    """One request with all that its client saw. Times are seconds since the run's start.

    Untracked by the garbage collector, which would otherwise walk a million of them again and again: a request holds
    nothing that could hold it.
    """

    id: int
    due: float
    """When the open-loop schedule wanted it sent; latency counts from here."""
    sent: float
    method: str
    path: str
    key: str | None = None
    """Job id of a POST."""
    session: int | None = None
    """Whose cookies it carried; None outside sessions."""
    ended: float | None = None
    ending: Ending = OPEN

    @property
    def outcome(self) -> Outcome | None:
        """See `Ending`, as for the following."""
        return self.ending.outcome

    @property
    def status(self) -> int | None:
        """HTTP status."""
        return self.ending.status

    @property
    def instance(self) -> str | None:
        """Who answered."""
        return self.ending.instance

    @property
    def backend(self) -> str | None:
        """The same, as the balancer calls it."""
        return self.ending.backend

    @property
    def tried(self) -> tuple[str, ...]:
        """Who was asked."""
        return self.ending.tried

    @property
    def error(self) -> str | None:
        """What went wrong, in the generator's words."""
        return self.ending.error

    @property
    def size(self) -> int | None:
        """Bytes of the body."""
        return self.ending.size

    @property
    def pinned(self) -> bool:
        """Whether the balancer had no choice."""
        return self.ending.pinned

    @property
    def latency(self) -> float | None:
        """Seconds from due to outcome; None without an outcome."""
        return None if self.ended is None else self.ended - self.due

    @property
    def lag(self) -> float:
        """Seconds the generator itself was late."""
        return self.sent - self.due

    @property
    def idempotent(self) -> bool:
        """By its method (RFC 9110 §9.2.2)."""
        return self.method in IDEMPOTENT_METHODS

    def is_slow(self, slow_s: float) -> bool:
        """Answered well, but later than the scenario's threshold."""
        return self.ending.outcome is Outcome.OK and self.ended is not None and self.ended - self.due > slow_s

    def is_bad(self, slow_s: float) -> bool:
        """Failed, unknown or slow: what a client would complain about."""
        return self.ending.outcome is not Outcome.OK or self.is_slow(slow_s)


@dataclass(frozen=True, slots=True)
class History:
    """All requests, in order of invocation, and what is wrong with the record itself."""

    requests: list[Request]
    defects: tuple[str, ...] = ()
    """Torn or unreadable lines, outcomes without invocation, second outcomes; any of them makes a verdict unknown."""


class HistoryWriter:
    """Appends to `history.jsonl`. Outcomes ride along with the next flush, invocations are flushed by the caller.

    `invoke` any number of requests that are due, `flush` once, then send them: one system call a batch.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o644)
        self._lines: list[str] = []

    def invoke(self, request_id: int, due: float, t: float, shape: str) -> None:
        """Note that a request is about to leave. `shape` comes from `invocation_shape`."""
        self._lines.append(f'{{"e":"invoke","id":{request_id},"due":{due:.6f},"t":{t:.6f},{shape}}}\n')

    def outcome(
        self,
        kind: Outcome,
        request_id: int,
        t: float,
        *,
        status: int | None = None,
        instance: str | None = None,
        backend: str | None = None,
        tried: Iterable[str] = (),
        error: str | None = None,
        size: int | None = None,
        pinned: bool = False,
    ) -> None:
        """Note how a request ended."""
        told = {"status": status, "instance": instance, "backend": backend, "tried": [*tried], "error": error}
        own = {"pinned": True} if pinned else {}
        facts = dumps({**told, "size": size, **own})
        self._lines.append(f'{{"e":"{kind}","id":{request_id},"t":{t:.6f},{facts[1:]}\n')

    def flush(self) -> None:
        """Hand everything to the kernel, where it survives this process. Raises OSError (disk full)."""
        if not self._lines:
            return
        data = memoryview("".join(self._lines).encode())
        self._lines.clear()
        while data:
            data = data[os.write(self._descriptor, data) :]

    def close(self) -> None:
        """Flush and close."""
        try:
            self.flush()
        finally:
            os.close(self._descriptor)


def invocation_shape(method: str, path: str, key: str | None, session: int | None = None) -> str:
    """The part of an invocation line that does not depend on time, as JSON members; `session` only where it is one."""
    own = {} if session is None else {"session": session}
    return dumps({"method": method, "path": path, "key": key, **own})[1:-1]


class _Invocation(msgspec.Struct, tag_field="e", tag="invoke", gc=False):
    """A line as it is read; msgspec checks the types of its members."""

    id: int
    due: float
    t: float
    method: str
    path: str
    key: str | None
    session: int | None = None


class _Conclusion(msgspec.Struct, tag_field="e", gc=False):
    id: int
    t: float
    status: int | None
    instance: str | None
    backend: str | None
    tried: tuple[str, ...]
    error: str | None
    size: int | None = None
    pinned: bool = False

    @property
    def outcome(self) -> Outcome:
        raise NotImplementedError

    def ending(self) -> Ending:
        return Ending(
            self.outcome, self.status, self.instance, self.backend, self.tried, self.error, self.size, self.pinned
        )


class _Ok(_Conclusion, tag="ok", gc=False):
    outcome = Outcome.OK


class _Fail(_Conclusion, tag="fail", gc=False):
    outcome = Outcome.FAIL


class _Unknown(_Conclusion, tag="unknown", gc=False):
    outcome = Outcome.UNKNOWN


_decode = msgspec.json.Decoder(_Invocation | _Ok | _Fail | _Unknown).decode


@dataclass(slots=True)
class _Assembly:
    """Joins invocations and outcomes while lines come in. Only what is open is indexed, and what is equal is shared."""

    requests: list[Request] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)
    _open: dict[int, Request] = field(default_factory=dict)
    _shared: dict[Any, Any] = field(default_factory=dict)

    def add(self, line: _Invocation | _Conclusion) -> None:
        if isinstance(line, _Invocation):
            self._invoke(line)
        else:
            self._conclude(line)

    def _invoke(self, line: _Invocation) -> None:
        if self.requests and line.id <= self.requests[-1].id:
            self.defects.append(f"request {line.id} was invoked twice, or out of order")
            return
        share = self._shared.setdefault
        method, path = share(line.method, line.method), share(line.path, line.path)
        request = Request(line.id, line.due, line.t, method, path, line.key, session=line.session)
        self.requests.append(request)
        self._open[line.id] = request

    def _conclude(self, line: _Conclusion) -> None:
        request = self._open.pop(line.id, None)
        if request is None:
            what = "has two outcomes" if self._known(line.id) else "has an outcome but no invocation"
            self.defects.append(f"request {line.id} {what}")
            return
        ending = line.ending()
        request.ended, request.ending = line.t, self._shared.setdefault(ending, ending)

    def _known(self, request_id: int) -> bool:
        """Ids only grow, so the list is sorted by them."""
        index = bisect_left(self.requests, request_id, key=lambda request: request.id)
        return index < len(self.requests) and self.requests[index].id == request_id


def read_history(path: Path) -> History:
    """Read `history.jsonl`, however it ended. Raises OSError when there is none to read."""
    assembly = _Assembly()
    with path.open("rb") as lines:
        for number, raw in enumerate(lines, 1):
            if not raw.endswith(b"\n"):
                assembly.defects.append(f"history.jsonl line {number} is torn")
                continue
            try:
                line = _decode(raw)
            except (msgspec.DecodeError, RecursionError) as error:
                assembly.defects.append(f"history.jsonl line {number} is unreadable: {error}")
            else:
                assembly.add(line)
    return History(assembly.requests, tuple(assembly.defects))
