"""Counters of requests and TCP connections, which can be sent to another process and added up.

A request costs only a few increments in `RequestStats`. `RequestTotals` are computed from it when they are read.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ..proxy.request_record import RequestRecord, TcpRecord

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds, seconds. One of them is 250 ms, above which the lab's clients count a response as slow."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_STATUS_CLASSES: Final = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")


@dataclass(slots=True)
class DurationHistogram:
    """A histogram of durations by `BUCKETS`. The last count is for durations above all bounds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0
    """Sum of all durations, seconds."""

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds

    def add(self, other: DurationHistogram) -> None:
        """Add the durations of `other` to these."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.total += other.total

    def buckets(self) -> list[tuple[str, float]]:
        """Return cumulative counts by upper bound, as Prometheus expects them."""
        cumulative, total = [], 0
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), self.counts, strict=True):
            total += count
            cumulative.append((bound, float(total)))
        return cumulative


def _timings() -> defaultdict[str, DurationHistogram]:
    return defaultdict(DurationHistogram)


@dataclass(slots=True)
class RequestTotals:
    """All counts of a data plane since its start."""

    requests: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Finished requests by backend (empty if the balancer itself responded), method, and status class."""
    seconds: defaultdict[str, DurationHistogram] = field(default_factory=_timings)
    attempts: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    tcp_connections: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Finished connections of TCP mode by backend and outcome."""
    tcp_bytes_in: int = 0
    tcp_bytes_out: int = 0
    dropped_lines: int = 0
    """Log lines dropped because the reader of the log did not keep up."""

    def add(self, other: RequestTotals) -> None:
        """Add the counts of `other` to these."""
        self.requests.update(other.requests)
        self.errors.update(other.errors)
        self.tcp_connections.update(other.tcp_connections)
        for backend, timings in other.seconds.items():
            self.seconds[backend].add(timings)
        for name in ("attempts", "bytes_in", "bytes_out", "tcp_bytes_in", "tcp_bytes_out", "dropped_lines"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class Gauges:
    """The current values of a data plane."""

    connections: int = 0
    """Client connections, including tunnels."""
    requests: int = 0
    """Requests in flight."""
    tunnels: Counter[str] = field(default_factory=Counter)
    """Open tunnels by backend."""
    in_flight: Counter[str] = field(default_factory=Counter)
    """Attempts in flight, by backend."""

    def add(self, other: Gauges) -> None:
        """Add the values of `other` to these."""
        self.connections += other.connections
        self.requests += other.requests
        self.tunnels.update(other.tunnels)
        self.in_flight.update(other.in_flight)


def sum_totals(parts: Iterable[RequestTotals]) -> RequestTotals:
    """Return the sum of all parts."""
    whole = RequestTotals()
    for part in parts:
        whole.add(part)
    return whole


class _Row:
    """Counts of the requests that one backend answered. The row "" is for requests that no backend answered."""

    __slots__ = ("answers", "buckets", "seconds")

    def __init__(self) -> None:
        self.answers: dict[str, list[int]] = {}
        """Method → number of responses in each of `_STATUS_CLASSES`."""
        self.buckets = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0


class RequestStats:
    """Counts the finished requests and TCP connections of one data plane."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._attempts = 0
        self._bytes_in = 0
        self._bytes_out = 0
        self._errors: dict[str, int] = {}
        self._tcp_connections: Counter[tuple[str, str]] = Counter()
        self._tcp_bytes_in = 0
        self._tcp_bytes_out = 0

    def done(self, record: RequestRecord) -> None:
        """Count a finished request (`OnDone`)."""
        row = self._rows.get(record.backend)
        if row is None:
            row = self._rows[record.backend] = _Row()
        answers = row.answers.get(record.method)
        if answers is None:
            method = record.method if record.method in _METHODS else "other"
            answers = row.answers.setdefault(method, [0] * len(_STATUS_CLASSES))
        answers[min(record.status // 100, 5)] += 1
        row.buckets[bisect_left(BUCKETS, record.total_s)] += 1
        row.seconds += record.total_s
        self._attempts += record.attempts
        self._bytes_in += record.bytes_in
        self._bytes_out += record.bytes_out
        if record.error:
            self._errors[record.error] = self._errors.get(record.error, 0) + 1

    def tcp_done(self, record: TcpRecord) -> None:
        """Count a finished connection of TCP mode (`OnTcpDone`)."""
        self._tcp_connections[record.backend, record.error or "ok"] += 1
        self._tcp_bytes_in += record.bytes_in
        self._tcp_bytes_out += record.bytes_out

    def totals(self) -> RequestTotals:
        """Return a copy of the counts."""
        totals = RequestTotals(
            attempts=self._attempts,
            bytes_in=self._bytes_in,
            bytes_out=self._bytes_out,
            errors=Counter(self._errors),
            tcp_connections=Counter(self._tcp_connections),
            tcp_bytes_in=self._tcp_bytes_in,
            tcp_bytes_out=self._tcp_bytes_out,
        )
        for backend, row in self._rows.items():
            totals.seconds[backend] = DurationHistogram(list(row.buckets), row.seconds)
            for method, answers in row.answers.items():
                for status_class, count in zip(_STATUS_CLASSES, answers, strict=True):
                    if count:
                        totals.requests[backend, method, status_class] = count
        return totals
