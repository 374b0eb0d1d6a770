"""Load of this replica: requests in flight, and CPU utilization."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

CPU_WINDOW_S = 1.0
"""Length of a measurement, in seconds. A shorter one would show the scheduler's 4 ms ticks and the probe itself; a
longer one would lag behind the load."""


def available_cpus() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(slots=True)
class CpuMeter:
    """Measures the share of the available CPU time that the process used in the last full window, 0–1."""

    cpus: int
    at: float
    """Start of the current window, in monotonic seconds."""
    used: float
    """CPU seconds that the process had used at that time."""
    share: float = 0.0

    def read(self, now: float, used: float) -> float:
        """Return the share of the last full window. `now` is monotonic, `used` the CPU time, both in seconds."""
        if now - self.at >= CPU_WINDOW_S:
            self.share = min(1.0, max(0.0, (used - self.used) / (now - self.at) / self.cpus))
            self.at, self.used = now, used
        return self.share


@dataclass(slots=True)
class InFlight:
    """Counts the requests that have arrived and are not answered completely."""

    count: int = 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count one request while the context is open."""
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1
