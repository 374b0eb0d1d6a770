"""What is counted: plain dictionaries, cheap to feed, that can be sent from one process to another and added up."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds. 250 ms, where the lab's clients call an answer slow, is one of the bounds."""


@dataclass(slots=True)
class Timings:
    """A histogram that is cheap to feed."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds

    def add(self, other: Timings) -> None:
        """Count all durations of the other, too."""
        self.counts = [mine + its for mine, its in zip(self.counts, other.counts, strict=True)]
        self.total += other.total

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as Prometheus wants them."""
        cumulative, total = [], 0
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), self.counts, strict=True):
            total += count
            cumulative.append((bound, float(total)))
        return cumulative


def _timings() -> defaultdict[str, Timings]:
    return defaultdict(Timings)


@dataclass(slots=True)
class Tally:
    """All counts of one data plane since it began."""

    requests: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By backend, method, status class."""
    seconds: defaultdict[str, Timings] = field(default_factory=_timings)
    attempts: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    sessions: Counter[tuple[str, str]] = field(default_factory=Counter)
    """TCP mode, by backend and outcome."""
    session_bytes_in: int = 0
    session_bytes_out: int = 0
    dropped_lines: int = 0
    """Of the log, because its reader did not keep up."""

    def add(self, other: Tally) -> None:
        """Count all that the other has counted, too."""
        self.requests.update(other.requests)
        self.errors.update(other.errors)
        self.sessions.update(other.sessions)
        for backend, timings in other.seconds.items():
            self.seconds[backend].add(timings)
        for name in ("attempts", "bytes_in", "bytes_out", "session_bytes_in", "session_bytes_out", "dropped_lines"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class Gauges:
    """How a data plane stands at this moment."""

    connections: int = 0
    """Of clients, tunnels included."""
    requests: int = 0
    """Under way."""
    tunnels: Counter[str] = field(default_factory=Counter)
    """By backend."""
    in_flight: Counter[str] = field(default_factory=Counter)
    """Attempts under way, by backend."""

    def add(self, other: Gauges) -> None:
        """Both together."""
        self.connections += other.connections
        self.requests += other.requests
        self.tunnels.update(other.tunnels)
        self.in_flight.update(other.in_flight)


def together(parts: Iterable[Tally]) -> Tally:
    """The sum of all parts."""
    whole = Tally()
    for part in parts:
        whole.add(part)
    return whole
