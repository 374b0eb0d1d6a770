"""CPU time of the balancer's processes during the measured traffic."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise

from ..processes.usage import Threads, cpu_seconds, cpu_times

EVERY_S = 0.5
"""Seconds between samples. Each sample walks /proc, so shorter intervals would cause load of their own."""


class CpuMeter:
    """Samples `schedstat` of a process and its descendants during a run."""

    def __init__(self, pid: int, read: Callable[[int], Threads] = cpu_times) -> None:
        self._pid = pid
        self._read = read
        self.samples: list[tuple[float, Threads]] = []

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            self.samples.append((time.monotonic(), self._read(self._pid)))
            await asyncio.sleep(EVERY_S)

    def between(self, since: float, until: float) -> float | None:
        """Return the CPU seconds between two monotonic times, or None with fewer than two samples or after its end."""
        inside = [threads for at, threads in self.samples if since <= at <= until]
        if len(inside) < 2 or not inside[0] or not inside[-1]:
            return None
        return sum(cpu_seconds(before, after) for before, after in pairwise(inside))
