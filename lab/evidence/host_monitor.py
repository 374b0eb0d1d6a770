"""Notices when the host stands still, has no CPU to spare, or has its clock set: then it is the machine that was seen.

Two witnesses of a busy host. One is jHiccup's idea: something that only sleeps and wakes up, at ordinary priority, is
late when everything is. The other is the kernel's own word, pressure stall information: the share of time in which
something was ready to run and had no CPU. A lab at 200 requests/s on an otherwise idle machine with two cores shows
about 10 %; one that shares it with two busy processes 90 to 100 %.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from .recorder import Recorder

PERIOD_S = 0.02
NOTICEABLE_S = 0.05
"""A fifth of the default threshold for slow answers; ordinary scheduling on a loaded host stays below it."""
WALL_STEP_S = 0.05
"""NTP slews by 0.5 ms/s, a hundredth of a millisecond between two questions; what steps, steps by more than 100 ms."""
PRESSURE_WINDOW_S = 0.1
PRESSURE_SHARE = 0.5
"""Every second moment somebody waited for a CPU: far above what the lab alone causes, far below a full machine."""
CPU_PRESSURE = Path("/proc/pressure/cpu")
"""Linux 4.20 and later; elsewhere the first witness is alone."""


async def watch_host(recorder: Recorder) -> None:
    """Note a `stall` (`since`, and `late_s` or `cpu_pressure`) whenever a witness sees one, and `wall_step` (`by_s`)
    when somebody sets the clock. Runs for ever."""
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
    """Whether the wall clock jumps against the monotonic one.

    The lab computes nothing from it. But the balancer tells its backends in wall time when to give up (`X-Deadline`),
    and the chaos service's reaper goes by it: a jump makes both of them do what nobody ordered.
    """

    def __init__(self, mono: Callable[[], float], unix: Callable[[], float]) -> None:
        self._mono, self._unix = mono, unix
        self._offset_s, self._error_s = self._read()

    def stepped(self) -> float:
        """By how many seconds it was set since the last question; 0.0 for less than `WALL_STEP_S`."""
        (before, uncertain), (now, error_s) = (self._offset_s, self._error_s), self._read()
        self._offset_s, self._error_s = now, error_s
        return now - before if abs(now - before) > WALL_STEP_S + uncertain + error_s else 0.0

    def _read(self) -> tuple[float, float]:
        """Wall − monotonic, and how far off that may be: the process may be put to sleep between two readings."""
        before, wall, after = self._mono(), self._unix(), self._mono()
        return wall - (before + after) / 2, (after - before) / 2


class Pressure:
    """The share of time under CPU pressure between two readings of the kernel's counter."""

    def __init__(self, now: float, total_us: int | None) -> None:
        self.since = now
        self._total_us = total_us

    def advance(self, now: float, total_us: int | None) -> float:
        """The share since the last reading, 0 where the kernel does not tell; this reading is the last one now."""
        before, took = self._total_us, now - self.since
        self.since, self._total_us = now, total_us
        if before is None or total_us is None or took <= 0.0:
            return 0.0
        return min(1.0, (total_us - before) / 1e6 / took)


def read_pressure_us() -> int | None:
    """Microseconds since boot in which something waited for a CPU; None where the kernel does not count them."""
    try:
        some = CPU_PRESSURE.read_text(encoding="ascii").splitlines()[0]
        return int(some.rpartition("total=")[2])
    except (OSError, ValueError, IndexError):
        return None
