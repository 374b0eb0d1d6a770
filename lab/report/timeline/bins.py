"""Reduces many requests to what can be drawn: rates and percentiles per time bin, and a thinned set of points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from ...evidence.history import Request
from ..run_files import OutcomeClass, Run

T = TypeVar("T")
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Bin:
    """The requests due in `[start, start + width)`, seconds."""

    start: float
    width: float
    counts: Counter[OutcomeClass]
    latencies: tuple[float, ...]
    """Latencies of the requests that ended, sorted, seconds."""

    @property
    def total(self) -> int:
        """Number of requests."""
        return self.counts.total()

    def percentile(self, share: float) -> float:
        """Return a percentile of the latencies in seconds, by nearest rank. There must be at least one latency."""
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


def binned(run: Run, start: float, end: float, width: float) -> list[Bin]:
    """Return all bins from `start` to `end`, including empty ones, so that a gap in the traffic is visible."""
    count = max(1, round((end - start) / width + 0.499))
    members: list[list[Request]] = [[] for _ in range(count)]
    for request in run.requests:
        index = int((request.due - start) / width + 1e-9)
        if 0 <= index < count:
            members[index].append(request)
    return [_bin(run, start + i * width, width, inside) for i, inside in enumerate(members)]


def thinned(items: Iterable[T], place: Callable[[T], Point], cell: float) -> list[T]:
    """Return the first item in each square of `cell` × `cell` pixels, because it would hide the others."""
    kept: dict[tuple[int, int], T] = {}
    for item in items:
        x, y = place(item)
        kept.setdefault((int(x / cell), int(y / cell)), item)
    return list(kept.values())


def _bin(run: Run, start: float, width: float, requests: list[Request]) -> Bin:
    latencies = sorted(r.latency for r in requests if r.latency is not None)
    return Bin(start, width, Counter(run.classify(r) for r in requests), tuple(latencies))
