"""Detects when the host stalls, has no spare CPU, or has its clock set. Measurements from that time are not reliable.

A busy host is detected in two ways. The first is that of jHiccup: a task that only sleeps, at ordinary priority, wakes
up late if all processes are delayed. The second is the kernel's pressure stall information: the share of time in which
at least one task was ready to run but had no CPU. A lab at 200 requests/s on an otherwise idle machine with two cores
causes about 10 %; with two other processes that each use a core, it is 90 to 100 %.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from .recorder import Recorder

PERIOD_S = 0.02
NOTICEABLE_S = 0.05
"""Longest delay of a wake-up that does not count as a stall: a fifth of the default threshold for slow responses.
Ordinary scheduling delays on a loaded host are shorter."""
WALL_STEP_S = 0.05
"""Smallest step in seconds. NTP slews by 0.5 ms/s at most (0.01 ms between two readings), and steps over 100 ms
only."""
PRESSURE_WINDOW_S = 0.1
PRESSURE_SHARE = 0.5
"""Share of the window in which some task waited for a CPU: far more than the lab causes, far less than a busy
machine."""
CPU_PRESSURE = Path("/proc/pressure/cpu")
"""The kernel's pressure counter, on Linux 4.20 and later. Without it, only late wake-ups are detected."""


async def watch_host(recorder: Recorder) -> None:
    """Record a `stall` event (`since`, and `late_s` or `cpu_pressure`) whenever the host was busy.

    Record a `wall_step` event (`by_s`) when the clock was set. Run until cancelled.
    """
    wall = WallClock(time.monotonic, time.time)
    pressure = Pressure(recorder.clock.now(), read_pressure_us())
    while True:
        asleep = recorder.clock.now()
        await asyncio.sleep(PERIOD_S)
        now = recorder.clock.now()
        late_s = now - asleep - PERIOD_S
        if late_s > NOTICEABLE_S and asleep > 0.0:
            recorder.note("stall", {"since": round(asleep, 6), "late_s": round(late_s, 6)})
        if by_s := wall.stepped():
            recorder.note("wall_step", {"by_s": round(by_s, 3)})
        if now - pressure.since < PRESSURE_WINDOW_S:
            continue
        since, share = pressure.since, pressure.advance(now, read_pressure_us())
        if share >= PRESSURE_SHARE and since > 0.0:
            recorder.note("stall", {"since": round(since, 6), "cpu_pressure": round(share, 2)})


class WallClock:
    """Detects steps of the wall clock relative to the monotonic clock.

    The lab itself does not use wall time. But the balancer sends its deadlines to backends as wall time (`X-Deadline`),
    and the reaper of the chaos service ends faults by wall time, so a step changes what both of them do.
    """

    def __init__(self, mono: Callable[[], float], unix: Callable[[], float]) -> None:
        self._mono, self._unix = mono, unix
        self._offset_s, self._error_s = self._read()

    def stepped(self) -> float:
        """Return by how many seconds the clock was set since the last call, or 0.0 if by less than `WALL_STEP_S`."""
        (before, uncertain), (now, error_s) = (self._offset_s, self._error_s), self._read()
        self._offset_s, self._error_s = now, error_s
        return now - before if abs(now - before) > WALL_STEP_S + uncertain + error_s else 0.0

    def _read(self) -> tuple[float, float]:
        """Return wall − monotonic time and its uncertainty: the process may be suspended between two readings."""
        before, wall, after = self._mono(), self._unix(), self._mono()
        return wall - (before + after) / 2, (after - before) / 2


class Pressure:
    """Computes the share of time under CPU pressure between two readings of the kernel's counter."""

    def __init__(self, now: float, total_us: int | None) -> None:
        self.since = now
        self._total_us = total_us

    def advance(self, now: float, total_us: int | None) -> float:
        """Return the share since the previous reading (0 if the kernel has no counter), and keep this reading."""
        before, took = self._total_us, now - self.since
        self.since, self._total_us = now, total_us
        if before is None or total_us is None or took <= 0.0:
            return 0.0
        return min(1.0, (total_us - before) / 1e6 / took)


def read_pressure_us() -> int | None:
    """Return the microseconds since boot in which some task waited for a CPU, or None if the kernel has no counter."""
    try:
        some = CPU_PRESSURE.read_text(encoding="ascii").splitlines()[0]
        return int(some.rpartition("total=")[2])
    except (OSError, ValueError, IndexError):
        return None
