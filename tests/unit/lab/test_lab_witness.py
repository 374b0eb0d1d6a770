from __future__ import annotations

import pytest

from lab import witness
from lab.witness import Pressure


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
    monkeypatch.setattr(witness, "CPU_PRESSURE", witness.CPU_PRESSURE.parent / "no-such-resource")
    assert witness.read_pressure_us() is None
