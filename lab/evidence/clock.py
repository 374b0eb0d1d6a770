"""Convert times of other processes' monotonic clocks to the run's time axis.

The offset is measured with Cristian's algorithm (1989): of several readings, the most exact is the one with the
shortest round trip.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

ROUNDS = 8
"""Number of readings. A round trip on loopback takes about 1 ms; at least one of eight is nearly always undisturbed."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a remote clock: local time before and after the call, and the remote time."""

    asked: float
    answered: float
    remote: float


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """Difference `remote − local` of two monotonic clocks, exact to ± `error_s`."""

    offset_s: float
    error_s: float

    def to_local(self, remote: float) -> float:
        """Convert a remote time to local time."""
        return remote - self.offset_s


def best_offset(readings: Iterable[Reading]) -> ClockOffset:
    """Return the offset according to the reading with the shortest round trip. Raise ValueError without readings."""
    best = min(readings, key=lambda reading: reading.answered - reading.asked)
    half = (best.answered - best.asked) / 2
    return ClockOffset(best.remote - best.asked - half, half)


async def measure_offset(
    read_remote: Callable[[], Awaitable[float]], now: Callable[[], float] = time.monotonic
) -> ClockOffset:
    """Read the remote clock `ROUNDS` times and return its offset from the clock `now`."""
    readings = []
    for _ in range(ROUNDS):
        asked = now()
        remote = await read_remote()
        readings.append(Reading(asked, now(), remote))
    return best_offset(readings)


@dataclass(frozen=True, slots=True)
class RunClock:
    """The run's time axis: seconds since `zero`, a time on this process' monotonic clock."""

    zero: float

    def now(self) -> float:
        """Return the seconds since the run's start."""
        return time.monotonic() - self.zero

    def of(self, remote: float, offset: ClockOffset) -> float:
        """Convert a remote time to seconds since the run's start."""
        return offset.to_local(remote) - self.zero
