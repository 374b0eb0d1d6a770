from __future__ import annotations

import pytest

from lab.evidence import host_monitor
from lab.evidence.host_monitor import Pressure, WallClock


class Clocks:
    """A monotonic and a wall clock; each reading of either takes `reading_s`."""

    def __init__(self, reading_s: float = 0.0) -> None:
        self.now = 100.0
        self.offset_s = 1.7e9
        self.reading_s = reading_s

    def mono(self) -> float:
        self.now += self.reading_s
        return self.now

    def unix(self) -> float:
        return self.mono() + self.offset_s


@pytest.mark.parametrize("by_s", [3600.0, -7.5, 0.12])
def test_a_clock_that_is_set_is_seen_once(by_s: float) -> None:
    clocks = Clocks(reading_s=1e-6)
    wall = WallClock(clocks.mono, clocks.unix)
    assert wall.stepped() == 0.0
    clocks.offset_s += by_s
    assert wall.stepped() == pytest.approx(by_s, abs=1e-4)
    assert wall.stepped() == 0.0


def test_a_clock_that_is_slewed_is_not_set() -> None:
    clocks = Clocks()
    wall = WallClock(clocks.mono, clocks.unix)
    for _ in range(1000):
        clocks.now, clocks.offset_s = clocks.now + 0.02, clocks.offset_s + 0.02 * 0.0005
        assert wall.stepped() == 0.0


def test_a_process_that_sleeps_between_two_readings_accuses_nobody() -> None:
    clocks = Clocks()
    wall = WallClock(clocks.mono, clocks.unix)
    clocks.reading_s = 0.3
    assert wall.stepped() == 0.0
    clocks.reading_s = 0.0
    assert wall.stepped() == 0.0


def test_the_share_is_of_the_time_between_two_readings() -> None:
    pressure = Pressure(10.0, 5_000_000)
    assert pressure.advance(10.1, 5_050_000) == pytest.approx(0.5)
    assert pressure.advance(10.3, 5_070_000) == pytest.approx(0.1)


def test_a_counter_that_runs_ahead_of_the_clock_is_the_whole_time() -> None:
    """The kernel brings its counter up to date in steps of its own."""
    assert Pressure(10.0, 0).advance(10.1, 120_000) == 1.0


def test_a_kernel_that_does_not_tell_accuses_nobody() -> None:
    pressure = Pressure(10.0, None)
    assert pressure.advance(10.1, None) == 0.0
    assert pressure.advance(10.2, 9_000_000) == 0.0


def test_a_missing_counter_reads_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_monitor, "CPU_PRESSURE", host_monitor.CPU_PRESSURE.parent / "no-such-resource")
    assert host_monitor.read_pressure_us() is None
