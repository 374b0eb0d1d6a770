"""Other processes' monotonic clocks on the run's axis, after Cristian (1989): trust the least round trip."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

ROUNDS = 8
"""A round trip on loopback takes about 1 ms; of eight, one is rarely disturbed."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One question for a remote clock: local time before and after, and what it answered."""

    asked: float
    answered: float
    remote: float


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """`remote − local` of two monotonic clocks, known to within ± `error_s`."""

    offset_s: float
    error_s: float

    def to_local(self, remote: float) -> float:
        """The local time of a remote moment."""
        return remote - self.offset_s


def best_offset(readings: Iterable[Reading]) -> ClockOffset:
    """The offset by the reading with the shortest round trip. Raises ValueError without any."""
    best = min(readings, key=lambda reading: reading.answered - reading.asked)
    half = (best.answered - best.asked) / 2
    return ClockOffset(best.remote - best.asked - half, half)


async def measure_offset(
    read_remote: Callable[[], Awaitable[float]], now: Callable[[], float] = time.monotonic
) -> ClockOffset:
    """Ask `read_remote` for its monotonic time a few times and compare with `now`."""
    readings = []
    for _ in range(ROUNDS):
        asked = now()
        remote = await read_remote()
        readings.append(Reading(asked, now(), remote))
    return best_offset(readings)


@dataclass(frozen=True, slots=True)
class RunClock:
    """The run's axis: seconds since `zero` on this process' monotonic clock."""

    zero: float

    def now(self) -> float:
        """Seconds since the run's start."""
        return time.monotonic() - self.zero

    def of(self, remote: float, offset: ClockOffset) -> float:
        """The place of a remote moment on the axis."""
        return offset.to_local(remote) - self.zero
