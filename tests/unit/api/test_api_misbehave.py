from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from api.cold_start import ColdStart
from api.misbehave import Behave, Conduct, Decision, Delay, Fail, Hold, decide
from api.models import Cold, Error, Hang, Lie, Misbehaviour, Ok, Slow, Unhealthy

ALWAYS = Error(mode="error", rate=1, status=503)


@pytest.mark.parametrize(
    ("mode", "health", "work"),
    [
        (Ok(), Behave(), Behave()),
        (ALWAYS, Fail(503), Fail(503)),
        (Slow(mode="slow", delay_ms=250), Delay(0.25), Delay(0.25)),
        (Hang(mode="hang"), Hold(), Hold()),
        (Lie(mode="lie", status=502), Behave(), Fail(502)),
        (Unhealthy(mode="unhealthy"), Behave(), Behave()),
    ],
)
def test_each_mode_treats_probes_and_work_as_the_contract_says(
    mode: Misbehaviour, health: Decision, work: Decision
) -> None:
    assert decide(mode, "/health", Random(1)) == health
    assert decide(mode, "/work", Random(1)) == work


@pytest.mark.parametrize("path", ["/misbehave", "/metrics", "/ledger"])
@pytest.mark.parametrize("mode", [ALWAYS, Hang(mode="hang"), Lie(mode="lie"), Slow(mode="slow", delay_ms=1)])
def test_the_experiment_can_always_get_in(mode: Misbehaviour, path: str) -> None:
    assert decide(mode, path, Random(1)) == Behave()


def test_an_error_rate_is_the_share_that_fails() -> None:
    rng, mode = Random(7), Error(mode="error", rate=0.3)

    failed = sum(decide(mode, "/work", rng) == Fail(500) for _ in range(10_000))

    # Binomial with p = 0.3: the standard deviation of 10,000 draws is 46; ± 5 of them.
    assert abs(failed - 3_000) < 230


class MovableClock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


async def test_a_mode_with_a_duration_ends_by_itself() -> None:
    clock = MovableClock()
    conduct = Conduct(clock)

    conduct.set(Slow(mode="slow", delay_ms=10, duration_s=5))
    clock.now += 4.9
    assert isinstance(conduct.mode, Slow)
    assert conduct.remaining_s == pytest.approx(0.1)
    clock.now += 0.2
    assert isinstance(conduct.mode, Ok)
    assert conduct.remaining_s == 0


async def test_the_delay_after_a_cold_start_decreases_to_zero() -> None:
    clock = MovableClock()
    conduct = Conduct(clock)
    conduct.set(Cold(mode="cold", delay_ms=400, duration_s=4))

    def delay() -> Decision:
        return decide(conduct.mode, "/health", Random(1), conduct.left)

    assert delay() == Delay(0.4)
    clock.now += 3
    assert delay() == Delay(pytest.approx(0.1))  # type: ignore[arg-type]
    clock.now += 1
    assert delay() == Behave()


def test_an_order_for_the_next_start_is_taken_once_and_a_broken_file_is_none(tmp_path: Path) -> None:
    order = Cold(mode="cold", delay_ms=400, duration_s=4)
    cold_start = ColdStart(tmp_path / "api-1.cold.json")
    cold_start.keep(order)
    assert (cold_start.take(), cold_start.take()) == (order, None)
    cold_start.path.write_text("{")
    assert cold_start.take() is None


async def test_what_a_mode_held_is_released_when_another_one_is_set() -> None:
    conduct = Conduct()
    conduct.set(Hang(mode="hang"))
    held = asyncio.create_task(conduct.ended())
    await asyncio.sleep(0)
    assert not held.done()

    conduct.set(Ok())

    await asyncio.wait_for(held, 5)
