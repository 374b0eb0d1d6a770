"""Orders for several targets: all or nothing, and never everything."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from chaos.drivers.targets import Capability, Running
from chaos.engine.orders import Order
from chaos.engine.records import State
from chaos.errors import ChaosError, ConflictError, LastHealthyBackendError, NotPossibleError, RuntimeUnavailableError
from tests.support.chaos_fakes import FakeRuntime
from tests.support.chaos_world import World, fast_probes

NAMES = ("api-1", "api-2", "api-3", "api-4")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    runtime = FakeRuntime(*NAMES)
    fast_probes(monkeypatch, runtime)
    return World(tmp_path, runtime)


def order(kind: str = "pause", **fields: Any) -> Order:
    return Order(**({"kind": kind, "duration": "60s"} | fields))


def states(world: World) -> dict[str, Running]:
    return {name: target.state for name, target in world.runtime.backends.items()}


def untouched(world: World) -> bool:
    return set(states(world).values()) == {Running.RUNNING} and world.engine.unhealed() == []


async def test_one_order_on_several_targets_is_one_record_each_with_one_order_id(world: World) -> None:
    placed = await world.engine.inject(order(target={"names": ["api-3", "api-1"]}))
    assert [record.target for record in placed.faults] == ["api-1", "api-3"]
    assert {record.order for record in placed.faults} == {placed.order}
    assert len({record.id for record in placed.faults}) == 2
    assert placed.seed is None, "nothing was chosen"
    assert [name for name, state in states(world).items() if state is Running.PAUSED] == ["api-1", "api-3"]


async def test_they_are_injected_at_the_same_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    together = asyncio.Barrier(3)
    for target in world.runtime.backends.values():

        async def meeting(pause: Any = target.pause) -> Any:
            await together.wait()  # one after another, nobody would pass
            return await pause()

        monkeypatch.setattr(target, "pause", meeting)
    async with asyncio.timeout(5):
        placed = await world.engine.inject(order(target={"all_but_one": True}))
    assert len(placed.faults) == 3


async def test_where_one_fails_the_others_are_healed(world: World) -> None:
    world.runtime.backends["api-2"].broken = RuntimeUnavailableError("the disk is on fire")
    with pytest.raises(RuntimeUnavailableError, match="on fire"):
        await world.engine.inject(order(target={"names": list(NAMES[:3])}))
    assert untouched(world)
    assert {record.healed_by for record in world.engine.records()} == {"rollback"}
    assert {record.state for record in world.journal.read().values() for record in [record.record]} == {State.HEALED}


async def test_a_drawn_seed_is_told_and_chooses_the_same_again(world: World) -> None:
    first = await world.engine.inject(order(target={"random": 2}))
    await world.engine.reset()
    again = await world.engine.inject(order(target={"random": 2, "seed": first.seed}))
    assert [record.target for record in first.faults] == [record.target for record in again.faults]


async def test_all_backends_are_too_many_without_the_flag(world: World) -> None:
    with pytest.raises(LastHealthyBackendError):
        await world.engine.inject(order(target={"role": "api"}))
    assert untouched(world)
    assert world.journal.read() == {}
    assert len((await world.engine.inject(order(target={"role": "api"}, allow_last=True))).faults) == 4


async def test_orders_at_the_same_time_are_counted_together(world: World) -> None:
    """Four orders for a backend each: one of the four must be refused, whichever comes last."""
    results = await asyncio.gather(*(world.engine.inject(order(target=name)) for name in NAMES), return_exceptions=True)
    assert [isinstance(result, LastHealthyBackendError) for result in results].count(True) == 1
    assert list(states(world).values()).count(Running.RUNNING) == 1


async def test_a_conflict_on_one_target_refuses_the_whole_order(world: World) -> None:
    await world.engine.inject(order(target="api-2"))
    with pytest.raises(ConflictError, match="api-2"):
        await world.engine.inject(order("kill", target={"names": ["api-1", "api-2"]}))
    assert states(world)["api-1"] is Running.RUNNING


@pytest.mark.parametrize("change", ["heal", "reset"])
async def test_a_heal_that_comes_while_injecting_leaves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    pause = world.api.pause

    async def slow() -> Any:
        begun.set()
        await go_on.wait()
        return await pause()

    monkeypatch.setattr(world.api, "pause", slow)
    injecting = asyncio.ensure_future(world.engine.inject(order(target="api-1")))
    await begun.wait()
    (record,) = world.engine.unhealed()
    healing = asyncio.ensure_future(world.engine.heal(record.id) if change == "heal" else world.engine.reset())
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(injecting, healing)
    assert untouched(world)


async def test_an_order_whose_client_goes_away_is_carried_out_and_remembered(world: World) -> None:
    asking = asyncio.ensure_future(world.engine.inject(order(target="api-1")))
    await anext(world.events.follow(0))
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    (record,) = world.engine.unhealed()
    await world.engine.heal(record.id)
    assert untouched(world)


async def test_a_journal_that_cannot_be_written_means_no_fault(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(world.journal, "append", full)
    with pytest.raises(RuntimeUnavailableError, match="No space left"):
        await world.engine.inject(order(target="api-1"))
    assert untouched(world)


async def test_a_disk_that_fills_up_meanwhile_does_not_stop_the_undo(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = await world.engine.inject(order(target="api-1"))

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(world.journal, "append", full)
    assert (await world.engine.heal(placed.faults[0].id)).state is State.HEALED
    assert untouched(world)


# --- dry run ---
async def test_a_dry_run_tells_everything_and_does_nothing(world: World) -> None:
    wanted = order("delay", target={"random": 2, "seed": 5}, params={"delay": "100ms"})
    preview = await world.engine.preview(wanted)
    assert untouched(world)
    assert world.journal.read() == {}
    assert world.told() == []
    placed = await world.engine.inject(wanted)
    assert preview.targets == [record.target for record in placed.faults]
    assert (preview.seed, preview.duration_s, preview.mechanism) == (5, 60.0, "fake")


@pytest.mark.parametrize(
    "fields",
    [
        {"target": "api-9"},
        {"target": {"role": "api"}},
        {"target": "api-1", "duration": "1h"},
        {"target": "api-1", "kind": "explode"},
        {"target": "api-1", "params": {"x": "1s"}},
        {"target": "api-1", "kind": "delay", "params": {"delay": "1s", "mechanism": "netem"}},
    ],
)
async def test_a_dry_run_refuses_what_the_order_would_be_refused_for(world: World, fields: dict[str, Any]) -> None:
    with pytest.raises(ChaosError) as dry:
        await world.engine.preview(order(**fields))
    with pytest.raises(ChaosError) as real:
        await world.engine.inject(order(**fields))
    assert (type(dry.value), dry.value.detail) == (type(real.value), real.value.detail)
    assert dry.value.possible == real.value.possible
    assert world.journal.read() == {}


async def test_what_the_host_cannot_do_is_told_with_what_it_can(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_: str) -> Capability:
        return Capability(possible=False, missing="sch_netem")

    monkeypatch.setattr(world.runtime, "link_capability", nothing)
    with pytest.raises(NotPossibleError, match="sch_netem") as refusal:
        await world.engine.preview(order("delay", target="api-1", params={"delay": "100ms"}))
    assert "kill" in refusal.value.possible
    assert "delay" not in refusal.value.possible


# --- what happened to the target meanwhile is part of the fault ---
@pytest.mark.parametrize("state", [Running.EXITED, Running.PAUSED])
@pytest.mark.parametrize("kind", ["pause", "kill", "delay"])
async def test_a_target_that_died_or_froze_meanwhile_runs_afterwards(world: World, kind: str, state: Running) -> None:
    params = {"delay": "100ms"} if kind == "delay" else {}
    placed = await world.engine.inject(order(kind, target="api-1", params=params))
    world.api.state = state
    assert (await world.engine.heal(placed.faults[0].id)).state is State.HEALED
    assert untouched(world)
