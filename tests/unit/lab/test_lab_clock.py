from __future__ import annotations

import pytest

from lab.evidence.clock import Reading, RunClock, best_offset, measure_offset


def test_the_shortest_round_trip_is_believed() -> None:
    slow = Reading(asked=10.0, answered=10.4, remote=110.35)
    quick = Reading(asked=11.0, answered=11.002, remote=111.001)
    offset = best_offset([slow, quick])
    assert offset.offset_s == pytest.approx(100.0)
    assert offset.error_s == pytest.approx(0.001)
    assert offset.to_local(150.0) == pytest.approx(50.0)


async def test_asking_a_clock_that_is_a_hundred_seconds_ahead() -> None:
    local = iter(n / 1000 for n in range(100))
    last = 0.0

    def now() -> float:
        nonlocal last
        last = next(local)
        return last

    async def remote() -> float:
        return last + 100.0005

    offset = await measure_offset(remote, now)
    assert offset.offset_s == pytest.approx(100.0, abs=0.001)


def test_remote_moments_find_their_place_on_the_axis() -> None:
    offset = best_offset([Reading(5.0, 5.0, 105.0)])
    assert RunClock(zero=3.0).of(104.5, offset) == pytest.approx(1.5)
