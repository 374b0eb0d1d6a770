"""Many requests made few enough to draw: rates, percentiles and thinning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from ...evidence.history import Request
from ..run_files import Look, Run

T = TypeVar("T")
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Bin:
    """The requests due in `[start, start + width)`, seconds."""

    start: float
    width: float
    counts: Counter[Look]
    latencies: tuple[float, ...]
    """Of those that ended, sorted, seconds."""

    @property
    def total(self) -> int:
        return self.counts.total()

    def percentile(self, share: float) -> float:
        """The latency (seconds) that `share` of the ended requests did not exceed, by nearest rank. Needs one."""
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


def binned(run: Run, start: float, end: float, width: float) -> list[Bin]:
    """All bins from `start` to `end`, the empty ones too: a gap in the traffic must show as a gap."""
    count = max(1, round((end - start) / width + 0.499))
    members: list[list[Request]] = [[] for _ in range(count)]
    for request in run.requests:
        index = int((request.due - start) / width + 1e-9)
        if 0 <= index < count:
            members[index].append(request)
    return [_bin(run, start + i * width, width, inside) for i, inside in enumerate(members)]


def thinned(items: Iterable[T], place: Callable[[T], Point], cell: float) -> list[T]:
    """The first item in each `cell` × `cell` square (pixels): what is left out would have been drawn over anyway."""
    kept: dict[tuple[int, int], T] = {}
    for item in items:
        x, y = place(item)
        kept.setdefault((int(x / cell), int(y / cell)), item)
    return list(kept.values())


def _bin(run: Run, start: float, width: float, requests: list[Request]) -> Bin:
    latencies = sorted(r.latency for r in requests if r.latency is not None)
    return Bin(start, width, Counter(run.look(r) for r in requests), tuple(latencies))
