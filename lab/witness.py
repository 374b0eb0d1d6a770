"""Notices when the host stands still or has no CPU to spare: a slow answer then says more about the machine.

Two witnesses. One is jHiccup's idea: something that only sleeps and wakes up, at ordinary priority, is late when
everything is. The other is the kernel's own word, pressure stall information: the share of time in which something was
ready to run and had no CPU. A lab at 200 requests/s on an otherwise idle machine with two cores shows about 10 %; one
that shares it with two busy processes 90 to 100 %.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from lab.recorder import Recorder

PERIOD_S = 0.02
NOTICEABLE_S = 0.05
"""A fifth of the default threshold for slow answers; ordinary scheduling on a loaded host stays below it."""
PRESSURE_WINDOW_S = 0.1
PRESSURE_SHARE = 0.5
"""Every second moment somebody waited for a CPU: far above what the lab alone causes, far below a full machine."""
CPU_PRESSURE = Path("/proc/pressure/cpu")
"""Linux 4.20 and later; elsewhere the first witness is alone."""


async def watch_host(recorder: Recorder) -> None:
    """Note a `stall` (`since`, and `late_s` or `cpu_pressure`) whenever a witness sees one. Runs for ever."""
    pressure = Pressure(recorder.clock.now(), read_pressure_us())
    while True:
        asleep = recorder.clock.now()
        await asyncio.sleep(PERIOD_S)
        now = recorder.clock.now()
        late_s = now - asleep - PERIOD_S
        if late_s > NOTICEABLE_S and asleep > 0.0:
            recorder.note("stall", {"since": round(asleep, 6), "late_s": round(late_s, 6)})
        if now - pressure.since < PRESSURE_WINDOW_S:
            continue
        since, share = pressure.since, pressure.advance(now, read_pressure_us())
        if share >= PRESSURE_SHARE and since > 0.0:
            recorder.note("stall", {"since": round(since, 6), "cpu_pressure": round(share, 2)})


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
