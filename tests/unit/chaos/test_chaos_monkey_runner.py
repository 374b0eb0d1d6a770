"""A monkey at work on targets that are a word each: it keeps to its plan and its budget, and leaves nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from chaos.drivers.targets import Running
from chaos.engine.records import State
from chaos.errors import MonkeyRunsError, UnknownMonkeyError
from chaos.monkey.monkey_orders import MonkeyOrder, Plan, Step
from chaos.monkey.monkey_runner import Monkey, MonkeyRunner
from tests.support.chaos_fakes import FakeRuntime
from tests.support.chaos_world import World, fast_probes


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    runtime = FakeRuntime("api-1", "api-2", "api-3")
    fast_probes(monkeypatch, runtime)
    return World(tmp_path, runtime)


@pytest.fixture
def runner(world: World) -> MonkeyRunner:
    return MonkeyRunner(world.engine, world.runtime, world.events)


def plan(*steps: tuple[float, str, str, str], **fields: Any) -> Plan:
    """Steps as at_s, kind, target, duration."""
    made = [Step(at_s=at_s, kind=kind, target=name, duration=duration) for at_s, kind, name, duration in steps]
    return Plan(**({"duration_s": 0.2, "steps": made} | fields))


def untouched(world: World) -> bool:
    return not world.engine.unhealed() and all(
        each.state is Running.RUNNING for each in world.runtime.backends.values()
    )


async def event(world: World, type_: str) -> None:
    async with asyncio.timeout(5):
        async for each in world.events.follow(0):
            if each is not None and each["type"] == type_:
                return


async def test_the_plan_is_carried_out_and_leaves_nothing(world: World, runner: MonkeyRunner) -> None:
    monkey = await runner.start(plan((0, "pause", "api-1", "100ms"), (0.05, "kill", "api-2", "100ms"), budget=2))
    await event(world, "monkey_ended")
    assert (monkey.state, monkey.ended_by) == ("ended", "end")
    records = [world.engine.record(outcome.fault or "") for outcome in monkey.outcomes]
    assert [(record.kind, record.target, record.healed_by) for record in records] == [
        ("pause", "api-1", "expiry"),
        ("kill", "api-2", "expiry"),
    ]
    assert untouched(world)


async def test_what_the_guard_refuses_is_noted_and_the_monkey_goes_on(world: World, runner: MonkeyRunner) -> None:
    steps = [(0.0, "pause", "api-9", "100ms"), (0.0, "pause", "api-1", "100ms")]
    monkey = await runner.start(plan(*steps, budget=2))
    await event(world, "monkey_ended")
    refused, done = sorted(monkey.outcomes, key=lambda outcome: outcome.step)
    assert "unknown_target" in (refused.refused or "")
    assert done.fault is not None


async def test_the_last_healthy_backend_is_spared_by_monkeys_too(world: World, runner: MonkeyRunner) -> None:
    await runner.start(plan(*((0.0, "pause", f"api-{n}", "60s") for n in (1, 2, 3)), budget=3, duration_s=60))
    await event(world, "monkey_refused")
    assert len(world.engine.unhealed()) == 2
    await runner.stop_all("request")
    assert untouched(world)


async def test_a_budget_that_is_used_up_is_kept(world: World, runner: MonkeyRunner) -> None:
    monkey = await runner.start(plan((0, "pause", "api-1", "60s"), (0.02, "pause", "api-2", "60s"), duration_s=60))
    await event(world, "monkey_refused")
    assert [record.target for record in world.engine.unhealed()] == ["api-1"]
    stopped = await runner.stop(monkey.id)
    assert (stopped.ended_by, untouched(world)) == ("request", True)
    assert {record.healed_by for record in world.engine.records()} == {"monkey"}
    assert await runner.stop(monkey.id) == stopped, "again: nothing happens"


async def test_a_stop_in_the_middle_of_an_injection_undoes_it(
    world: World, runner: MonkeyRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    pause = world.api.pause

    async def slow() -> Any:
        begun.set()
        await go_on.wait()
        return await pause()

    monkeypatch.setattr(world.api, "pause", slow)
    monkey = await runner.start(plan((0, "pause", "api-1", "60s"), duration_s=60))
    await begun.wait()
    stopping = asyncio.ensure_future(runner.stop(monkey.id))
    await asyncio.sleep(0)
    go_on.set()
    await stopping
    assert untouched(world)


async def test_a_seeded_order_becomes_the_plan_that_the_dry_run_told(world: World, runner: MonkeyRunner) -> None:
    faults: list[Any] = [{"kind": "pause", "duration": "1s"}]
    order = MonkeyOrder(duration="1min", rate="1/s", faults=faults, seed=3)
    told = await runner.plan(order)
    assert untouched(world)
    monkey = await runner.start(order)
    assert monkey.plan == told
    await runner.stop(monkey.id)
    assert (await runner.start(told)).plan == told
    await runner.stop_all("request")


async def test_one_at_a_time(world: World, runner: MonkeyRunner) -> None:
    first: Monkey = await runner.start(plan(duration_s=60))
    with pytest.raises(MonkeyRunsError, match=first.id):
        await runner.start(plan())
    await runner.stop(first.id)
    await runner.start(plan())
    await runner.stop_all("request")


async def test_after_a_crash_its_faults_are_healed_and_it_is_not_resumed(world: World, runner: MonkeyRunner) -> None:
    await runner.start(plan((0, "pause", "api-1", "60s"), (0.1, "pause", "api-2", "60s"), budget=2, duration_s=60))
    await event(world, "fault_injected")
    world.crash()
    await world.engine.start()
    await world.healed()
    assert world.api.state is Running.RUNNING
    assert {entry.record.state for entry in world.journal.read().values() if entry.record.target == "api-1"} == {
        State.HEALED
    }
    assert MonkeyRunner(world.engine, world.runtime, world.events).monkeys() == []
    await runner.stop_all("request")


async def test_an_unknown_monkey_is_an_error(runner: MonkeyRunner) -> None:
    with pytest.raises(UnknownMonkeyError):
        await runner.stop("nope")
