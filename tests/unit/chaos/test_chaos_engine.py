"""The life of a fault, told with targets that are a word each. Expiry, a matter of time, is an integration test."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from chaos.drivers.probe import Address, Answer
from chaos.drivers.targets import Running
from chaos.engine import guard
from chaos.engine.orders import Order
from chaos.engine.records import State
from chaos.errors import (
    ConflictError,
    NoAddressError,
    RuntimeUnavailableError,
    UnhealthyTargetError,
    UnknownFaultError,
    UnreachableTargetError,
)
from tests.support.chaos_fakes import FakeRuntime
from tests.support.chaos_world import World, fast_probes


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    runtime = FakeRuntime("api-1", "api-2")
    fast_probes(monkeypatch, runtime)
    return World(tmp_path, runtime)


async def test_a_fault_is_injected_verified_and_healed(world: World) -> None:
    record = await world.inject()
    assert (record.state, record.bit, record.mechanism) == (State.ACTIVE, True, "fake")
    assert world.api.state is Running.PAUSED
    record = await world.engine.heal(record.id)
    assert (record.state, record.healed_by, record.error) == (State.HEALED, "request", None)
    assert world.api.state is Running.RUNNING
    assert world.told() == ["fault_injecting", "fault_injected", "fault_verified", "fault_healing", "fault_healed"]


async def test_the_undo_is_on_the_disk_before_the_fault_is_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    on_disk: list[Any] = []
    pause = world.api.pause

    async def watched() -> Any:
        on_disk.extend(world.journal.read().values())
        return await pause()

    monkeypatch.setattr(world.api, "pause", watched)
    await world.inject()
    assert [(each.record.state, each.undo) for each in on_disk] == [(State.INJECTING, {"token": "api-1"})]


async def test_a_fault_without_effect_is_recorded_as_such(world: World) -> None:
    world.api.deaf = True
    record = await world.inject("kill")
    assert record.bit is False
    assert record.evidence is not None
    assert "HTTP 200" in record.evidence


# --- a target that no probe can reach ---
def unreachable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def address() -> Address:
        raise NoAddressError("api-1 has no network")

    monkeypatch.setattr(world.api, "address", address)


@pytest.mark.parametrize("kind", ["kill", "stop", "pause"])
async def test_its_state_alone_shows_a_fault_and_the_end_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    unreachable(world, monkeypatch)
    record = await world.inject(kind)
    assert (record.bit, "none, because api-1 has no network" in (record.evidence or "")) == (True, True)
    assert [each.unprobed for each in world.journal.read().values()] == ["api-1 has no network"]
    world.crash()
    await world.engine.start()
    await world.healed()
    assert (world.engine.record(record.id).state, world.api.state) == (State.HEALED, Running.RUNNING)


async def test_a_fault_on_it_without_effect_is_recorded_as_such(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    unreachable(world, monkeypatch)
    world.api.deaf = True
    assert (await world.inject("pause")).bit is False


async def test_its_fault_is_not_healed_while_it_is_down(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ends_at_once() -> None:
        return None

    unreachable(world, monkeypatch)
    record = await world.inject("kill")
    with monkeypatch.context() as patch:
        patch.setattr(world.api, "ensure_running", ends_at_once)
        assert (await world.engine.heal(record.id)).state is State.FAILED
    assert record.error == "heal failed: undone, but api-1 is exited"
    assert (await world.engine.heal(record.id)).state is State.HEALED


async def test_a_fault_that_only_a_probe_shows_is_refused_on_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    unreachable(world, monkeypatch)
    with pytest.raises(UnreachableTargetError, match="api-1 has no network"):
        await world.inject("blackhole")
    assert world.journal.read() == {}


async def test_a_foreign_target_is_asked_before_anything_is_done_unless_it_has_a_fault(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sick(*_: object, **__: object) -> Answer:
        return Answer(0.001, failure="refused")

    world.runtime.foreign = True
    limit: dict[str, Any] = {"params": {"cpu": "50%"}, "allow_last": True}
    record = await world.inject("delay", params={"delay": "1s"})
    monkeypatch.setattr(guard, "ask", sick)
    await world.engine.heal((await world.inject("cpu", **limit)).id)
    await world.engine.heal(record.id)
    with pytest.raises(UnhealthyTargetError, match="api-1 fails its health check"):
        await world.inject("cpu", **limit)


async def test_an_injection_that_fails_half_way_is_undone(world: World) -> None:
    world.api.broken = RuntimeUnavailableError("the runtime went away")
    with pytest.raises(RuntimeUnavailableError):
        await world.inject()
    (record,) = world.engine.records()
    assert (record.state, record.bit) == (State.HEALED, False)
    assert record.error == "injection failed: the runtime went away"
    assert world.api.state is Running.RUNNING


@pytest.mark.parametrize("state", [State.INJECTING, State.ACTIVE, State.HEALING, State.FAILED])
async def test_after_a_crash_at_any_moment_the_next_start_heals(world: World, state: State) -> None:
    record = await world.inject()
    left = world.journal.read()[record.id]
    left.record.state = state
    world.journal.append(left)
    world.crash()
    await world.engine.start()
    await world.healed()
    assert world.api.state is Running.RUNNING
    healed = world.engine.record(record.id)
    assert (healed.state, healed.healed_by) == (State.HEALED, "restart")
    assert world.journal.read()[record.id].record.state is State.HEALED


async def test_healing_twice_and_at_once_heals_once(world: World) -> None:
    record = await world.inject()
    await asyncio.gather(*(world.engine.heal(record.id) for _ in range(3)))
    await world.engine.heal(record.id)
    assert world.told().count("fault_healing") == world.told().count("fault_healed") == 1


async def test_a_heal_that_fails_is_owed_and_tried_again(world: World) -> None:
    record = await world.inject()
    world.runtime.reachable = False
    assert (await world.engine.heal(record.id)).state is State.FAILED
    assert "does not answer" in (record.error or "")
    assert world.engine.faulted() == {"api-1"}
    world.runtime.reachable = True
    await world.engine.retry_failed()
    await world.healed()
    assert (record.state, record.error) == (State.HEALED, None)


async def test_a_target_that_is_gone_has_nothing_left_to_heal(world: World) -> None:
    record = await world.inject()
    del world.runtime.backends["api-1"]
    healed = await world.engine.heal(record.id)
    assert healed.state is State.HEALED
    assert "removed" in (healed.error or "")


async def test_of_two_orders_at_once_for_one_target_one_is_refused(world: World) -> None:
    results = await asyncio.gather(
        *(world.engine.inject(world.order(kind)) for kind in ("pause", "kill")), return_exceptions=True
    )
    assert sum(isinstance(result, ConflictError) for result in results) == 1


async def test_reset_heals_faults_on_all_layers(world: World) -> None:
    await world.engine.inject(world.order("delay", params={"delay": "100ms"}))
    await world.engine.inject(Order(kind="pause", target="api-2", duration="60s", allow_last=True))
    assert len(await world.engine.reset()) == 2
    assert world.engine.unhealed() == []
    assert world.api.impairment is None


async def test_a_refused_order_leaves_no_trace(world: World) -> None:
    world.runtime.backends["api-2"].state = Running.EXITED  # so api-1 is the last one
    with pytest.raises(ConflictError):
        await world.inject()
    assert world.journal.read() == {}
    assert world.told() == []


async def test_an_unknown_id_is_an_error(world: World) -> None:
    with pytest.raises(UnknownFaultError):
        await world.engine.heal("nope")


# --- the runtime is away: a Docker daemon that is restarted ---
async def test_a_runtime_that_goes_away_in_the_middle_of_an_injection(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def half_way() -> Any:
        world.api.state = Running.PAUSED
        world.runtime.reachable = False
        raise RuntimeUnavailableError("connection reset")

    monkeypatch.setattr(world.api, "pause", half_way)
    with pytest.raises(RuntimeUnavailableError):
        await world.inject()
    (record,) = world.engine.records()
    assert record.state is State.FAILED, "the undo is unhealed"
    world.runtime.reachable = True
    await world.engine.retry_failed()
    await world.healed()
    assert world.api.state is Running.RUNNING


async def test_a_start_while_the_runtime_is_away_heals_when_it_is_back(world: World) -> None:
    await world.inject()
    world.runtime.reachable = False
    world.crash()
    await world.engine.start()
    await next_event(world, "fault_failed")
    world.runtime.reachable = True
    await world.engine.retry_failed()
    await world.healed()
    assert world.api.state is Running.RUNNING


async def next_event(world: World, type_: str) -> None:
    async with asyncio.timeout(5):
        async for event in world.events.follow(0):
            if event is not None and event["type"] == type_:
                return
