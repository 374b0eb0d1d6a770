"""The history of a run: invocation and outcome of every request (`history.jsonl`).

The invocation of a request is flushed before the request is sent, so the history contains every request that was made.
The reader accepts a file that was cut at any byte, and reports what is missing.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from ..output.json_text import dumps


class Outcome(StrEnum):
    """Outcome of a request for its client."""

    OK = "ok"
    FAIL = "fail"
    """The request certainly failed: an error response, or refused before anything was sent."""
    UNKNOWN = "unknown"
    """Possibly executed: the client stopped waiting, or the connection was cut after the request was sent."""


IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""Methods that are idempotent by RFC 9110 §9.2.2, without TRACE, which no load uses."""


class Ending(msgspec.Struct, frozen=True, gc=False):
    """How a request ended, without the time. Requests with equal endings share one `Ending`, which saves memory."""

    outcome: Outcome | None = None
    """How the request ended for its client; None if the history ends before the outcome."""
    status: int | None = None
    """HTTP status."""
    instance: str | None = None
    """Name that the responding backend gave itself."""
    backend: str | None = None
    """Id of the responding backend in the balancer."""
    tried: tuple[str, ...] = ()
    """Ids of all backends that the balancer tried, in order; empty if there was no response or it does not name
    them."""
    error: str | None = None
    """Why the request failed, such as `timeout`, `reset` or the balancer's `X-Lb-Error`."""
    size: int | None = None
    """Bytes of the response body as received; None if they were not counted."""
    pinned: bool = False
    """Whether it was sent on a WebSocket whose backend was chosen for an earlier message, so it could not be
    rerouted."""


NO_ENDING = Ending()
"""Ending of a request whose outcome is not in the history."""


class Request(msgspec.Struct, eq=False, gc=False):
    """One request as its client saw it. Times are in seconds since the run's start.

    The garbage collector does not track requests, because it would traverse a million of them repeatedly. They cannot
    be part of a reference cycle.
    """

    id: int
    due: float
    """Time at which the open-loop schedule sends it. Latency counts from here."""
    sent: float
    method: str
    path: str
    key: str | None = None
    """Job id of a POST."""
    session: int | None = None
    """Number of the client whose cookies it carried; None without sessions."""
    ended: float | None = None
    ending: Ending = NO_ENDING
    declared_idempotent: bool | None = None
    """Whether the load says that a repetition does no harm; None: as RFC 9110 says of the method."""

    @property
    def outcome(self) -> Outcome | None:
        """See `Ending.outcome`."""
        return self.ending.outcome

    @property
    def status(self) -> int | None:
        """See `Ending.status`."""
        return self.ending.status

    @property
    def instance(self) -> str | None:
        """See `Ending.instance`."""
        return self.ending.instance

    @property
    def backend(self) -> str | None:
        """See `Ending.backend`."""
        return self.ending.backend

    @property
    def tried(self) -> tuple[str, ...]:
        """See `Ending.tried`."""
        return self.ending.tried

    @property
    def error(self) -> str | None:
        """See `Ending.error`."""
        return self.ending.error

    @property
    def size(self) -> int | None:
        """See `Ending.size`."""
        return self.ending.size

    @property
    def pinned(self) -> bool:
        """See `Ending.pinned`."""
        return self.ending.pinned

    @property
    def latency(self) -> float | None:
        """Seconds from due time to outcome; None without an outcome."""
        return None if self.ended is None else self.ended - self.due

    @property
    def lag(self) -> float:
        """Seconds by which the generator sent it late."""
        return self.sent - self.due

    @property
    def idempotent(self) -> bool:
        """Whether a repetition does no harm: as the load says, or else as RFC 9110 §9.2.2 says of the method."""
        declared = self.declared_idempotent
        return self.method in IDEMPOTENT_METHODS if declared is None else declared

    def is_slow(self, slow_s: float) -> bool:
        """Return whether the answer was good, but later than `slow_s` seconds after the due time."""
        return self.ending.outcome is Outcome.OK and self.ended is not None and self.ended - self.due > slow_s

    def is_bad(self, slow_s: float) -> bool:
        """Return whether it failed, is unknown or was slow."""
        return self.ending.outcome is not Outcome.OK or self.is_slow(slow_s)


@dataclass(frozen=True, slots=True)
class History:
    """All requests, in order of invocation."""

    requests: list[Request]
    defects: tuple[str, ...] = ()
    """Damaged lines, outcomes without invocation and second outcomes. With any of them, the verdict is `unknown`."""


class HistoryWriter:
    """Writer of `history.jsonl`.

    Call `invoke` for all requests that are due, `flush` once, then send them: one system call per batch. Outcomes are
    written by the next flush.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o644)
        self._lines: list[str] = []

    def invoke(self, request_id: int, due: float, t: float, fields: str) -> None:
        """Record that a request is about to be sent. `fields` comes from `invocation_fields`."""
        self._lines.append(f'{{"e":"invoke","id":{request_id},"due":{due:.6f},"t":{t:.6f},{fields}}}\n')

    def conclude(self, request_id: int, t: float, ending: Ending) -> None:
        """Record how a request ended."""
        members: dict[str, Any] = {
            "status": ending.status,
            "instance": ending.instance,
            "backend": ending.backend,
            "tried": ending.tried,
            "error": ending.error,
            "size": ending.size,
        }
        if ending.pinned:
            members["pinned"] = True
        self._lines.append(f'{{"e":"{ending.outcome}","id":{request_id},"t":{t:.6f},{dumps(members)[1:]}\n')

    def flush(self) -> None:
        """Pass everything to the kernel, so that it is kept if this process dies. Raise OSError (disk full)."""
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


def invocation_fields(
    method: str, path: str, key: str | None, session: int | None = None, idempotent: bool | None = None
) -> str:
    """Return the members of an invocation line that do not depend on time, as JSON. Callers may cache the result."""
    own = {"session": session, "idempotent": idempotent}
    given = {name: value for name, value in own.items() if value is not None}
    return dumps({"method": method, "path": path, "key": key, **given})[1:-1]


class _Invocation(msgspec.Struct, tag_field="e", tag="invoke", gc=False):
    """An invocation line; msgspec checks the types of its members."""

    id: int
    due: float
    t: float
    method: str
    path: str
    key: str | None
    session: int | None = None
    idempotent: bool | None = None


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
    """Joins outcomes to invocations line by line.

    To save memory, equal values are shared, and only requests without an outcome are indexed.
    """

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
        request = Request(
            line.id, line.due, line.t, method, path, line.key, line.session, declared_idempotent=line.idempotent
        )
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
        """Return whether a request has this id. Ids only grow, so the list is sorted by them."""
        index = bisect_left(self.requests, request_id, key=lambda request: request.id)
        return index < len(self.requests) and self.requests[index].id == request_id


def read_history(path: Path) -> History:
    """Read `history.jsonl`, which may be cut off anywhere. Raise OSError if the file cannot be read."""
    assembly = _Assembly()
    with path.open("rb") as lines:
        for number, raw in enumerate(lines, 1):
            if not raw.endswith(b"\n"):
                assembly.defects.append(f"history.jsonl line {number} is incomplete")
                continue
            try:
                line = _decode(raw)
            except (msgspec.DecodeError, RecursionError) as error:
                assembly.defects.append(f"history.jsonl line {number} is unreadable: {error}")
            else:
                assembly.add(line)
    return History(assembly.requests, tuple(assembly.defects))
