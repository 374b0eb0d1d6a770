"""Counts the requests and connections of one data plane: a few increments each, and a `Tally` only when one is read."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import Final

from ..proxy.request_record import Record, Session
from .tally import BUCKETS, Tally, Timings

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CLASSES: Final = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")


class _Row:
    """What came of the requests that one backend answered; of those that none did, in the row without a name."""

    __slots__ = ("answers", "buckets", "seconds")

    def __init__(self) -> None:
        self.answers: dict[str, list[int]] = {}
        """By method, one count for each of `_CLASSES`."""
        self.buckets = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0


class Counts:
    """Fed by `OnDone` and `OnSession`."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._attempts = 0
        self._bytes_in = 0
        self._bytes_out = 0
        self._errors: dict[str, int] = {}
        self._sessions: Counter[tuple[str, str]] = Counter()
        self._session_bytes_in = 0
        self._session_bytes_out = 0

    def done(self, record: Record) -> None:
        """A request is over (`OnDone`)."""
        row = self._rows.get(record.backend)
        if row is None:
            row = self._rows[record.backend] = _Row()
        answers = row.answers.get(record.method)
        if answers is None:
            method = record.method if record.method in _METHODS else "other"
            answers = row.answers.setdefault(method, [0] * len(_CLASSES))
        answers[min(record.status // 100, 5)] += 1
        row.buckets[bisect_left(BUCKETS, record.total_s)] += 1
        row.seconds += record.total_s
        self._attempts += record.attempts
        self._bytes_in += record.bytes_in
        self._bytes_out += record.bytes_out
        if record.error:
            self._errors[record.error] = self._errors.get(record.error, 0) + 1

    def session(self, session: Session) -> None:
        """A connection of TCP mode is over (`OnSession`)."""
        self._sessions[session.backend, session.error or "ok"] += 1
        self._session_bytes_in += session.bytes_in
        self._session_bytes_out += session.bytes_out

    def tally(self) -> Tally:
        """All of it, as it stands now."""
        tally = Tally(
            attempts=self._attempts,
            bytes_in=self._bytes_in,
            bytes_out=self._bytes_out,
            errors=Counter(self._errors),
            sessions=Counter(self._sessions),
            session_bytes_in=self._session_bytes_in,
            session_bytes_out=self._session_bytes_out,
        )
        for backend, row in self._rows.items():
            tally.seconds[backend] = Timings(list(row.buckets), row.seconds)
            for method, answers in row.answers.items():
                for status_class, count in zip(_CLASSES, answers, strict=True):
                    if count:
                        tally.requests[backend, method, status_class] = count
        return tally
