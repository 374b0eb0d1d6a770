from __future__ import annotations

import contextlib

import pytest

from api.load import CpuMeter, InFlight


def test_the_share_is_that_of_the_last_full_window() -> None:
    meter = CpuMeter(cpus=2, at=100.0, used=5.0)

    assert meter.read(100.4, 5.4) == 0.0, "no window is full yet"
    assert meter.read(101.0, 6.0) == pytest.approx(0.5), "1 s of CPU in 1 s on 2 processors"
    assert meter.read(101.5, 6.0) == pytest.approx(0.5), "stands until the next window is full"
    assert meter.read(103.0, 6.0) == 0.0


def test_the_share_stays_within_0_and_1() -> None:
    meter = CpuMeter(cpus=1, at=0.0, used=0.0)

    assert meter.read(1.0, 1.2) == 1.0, "clock granularity can make it look like more than all"


def test_a_request_that_fails_is_no_longer_in_flight() -> None:
    in_flight = InFlight()

    with in_flight.one_more():
        assert in_flight.count == 1
    with contextlib.suppress(RuntimeError), in_flight.one_more():
        raise RuntimeError

    assert in_flight.count == 0
