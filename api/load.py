"""Load of this replica: requests in flight, and the share of its CPUs in use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

CPU_WINDOW_S = 1.0
"""Shorter windows measure the scheduler's 4 ms ticks and the probe itself; longer ones lag behind the load."""


def available_cpus() -> int:
    """Processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(slots=True)
class CpuMeter:
    """Share of the available processors used over the last full window, 0–1."""

    cpus: int
    at: float
    """Start of the current window, monotonic seconds."""
    used: float
    """CPU seconds of the process at that time."""
    share: float = 0.0

    def read(self, now: float, used: float) -> float:
        """Close the window when it is full; between that, the last full window's share stands."""
        if now - self.at >= CPU_WINDOW_S:
            self.share = min(1.0, max(0.0, (used - self.used) / (now - self.at) / self.cpus))
            self.at, self.used = now, used
        return self.share


@dataclass(slots=True)
class InFlight:
    """Requests that have arrived and are not yet answered completely."""

    count: int = 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count one request for as long as the block runs."""
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1
