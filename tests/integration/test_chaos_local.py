"""The chaos service on the local runtime, as its users meet it: over HTTP, with real processes behind real relays."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from chaos.drivers.probe import Answer, ask
from chaos.drivers.process_targets import process_state
from chaos.faults import FAULTS
from tests.support.chaos_client import ChaosProcess
from tests.support.chaos_pooled import Pooled
from tests.support.chaos_supervisor import FakeSupervisor
from tests.support.chaos_waiting import eventually

GRACE_S = 5.0
"""Healed within the fault's duration and this, whatever crashes (docs/faults.md)."""


@pytest.fixture
async def lab() -> AsyncIterator[FakeSupervisor]:
    async with FakeSupervisor("api-1", "api-2") as supervisor:
        yield supervisor


@pytest.fixture
async def chaos(lab: FakeSupervisor, tmp_path: Path) -> AsyncIterator[ChaosProcess]:
    async with ChaosProcess(lab, tmp_path, CHAOS_REVIVE_AFTER="500ms") as process:
        yield process


async def health(lab: FakeSupervisor, name: str, timeout_s: float = 1.0) -> Answer:
    return await ask(lab.backends[name].relay.listener.address, timeout_s=timeout_s)


async def test_what_a_pause_and_a_kill_look_like_from_outside(chaos: ChaosProcess, lab: FakeSupervisor) -> None:
    pause = await chaos.inject("pause", "api-1", "30s")
    assert process_state(lab.backends["api-1"].pid) == "T"
    frozen = await health(lab, "api-1", 0.3)
    assert frozen.connect_s is not None, "a frozen process' kernel still accepts"
    assert frozen.failure == "timeout"
    await chaos.call("DELETE", f"/faults/{pause['id']}")

    await chaos.inject("kill", "api-1", "30s")
    # The kernel closes the sockets of a killed process a moment after it is dead.
    await eventually(lambda: health(lab, "api-1"), lambda answer: answer.failure == "refused", 1.0)


# --- healing early, twice, all at once ---
async def test_delete_heals_now_and_again_answers_the_same(chaos: ChaosProcess, lab: FakeSupervisor) -> None:
    record = await chaos.inject("pause", "api-1", "60s")
    status, healed = await chaos.call("DELETE", f"/faults/{record['id']}")
    assert (status, healed["state"], healed["healed_by"]) == (200, "healed", "request")
    assert (await health(lab, "api-1")).ok
    assert await chaos.call("DELETE", f"/faults/{record['id']}") == (200, healed)


async def test_reset_heals_everything(chaos: ChaosProcess, lab: FakeSupervisor) -> None:
    one = await chaos.inject("delay", "api-1", "60s", delay="200ms")
    two = await chaos.inject("unhealthy", "api-1", "60s")  # another layer: no conflict
    status, body = await chaos.call("POST", "/reset")
    assert (status, set(body["healed"])) == (200, {one["id"], two["id"]})
    assert (await health(lab, "api-1")).ok


@pytest.mark.parametrize(
    ("kind", "kept", "fresh"),
    [
        ("kill", "ended", "refused"),
        ("pause", "silence", "timeout"),
        ("blackhole", "silence", "timeout"),  # the relay listens, and passes nothing on
        ("refuse", "reset", "refused"),
    ],
)
async def test_what_each_way_of_silence_looks_like(
    chaos: ChaosProcess, lab: FakeSupervisor, kind: str, kept: str, fresh: str
) -> None:
    """On a connection that was open before, and on a new one. The Docker runtime's table is in docs/faults.md."""
    pooled = await Pooled.to(lab.backends["api-1"].relay.listener.address)
    record = await chaos.inject(kind, "api-1", "60s")
    assert record["bit"] is True, record
    assert await pooled.looks() == kept
    # A relay sees that its process has died when it asks next: until then it accepts, and resets.
    await eventually(lambda: health(lab, "api-1", 0.5), lambda answer: answer.failure == fresh, 2.0)
    pooled.close()
    await chaos.call("DELETE", f"/faults/{record['id']}")
    assert (await health(lab, "api-1")).ok


async def test_faults_on_one_link_combine_and_end_one_by_one(chaos: ChaosProcess, lab: FakeSupervisor) -> None:
    delay = await chaos.inject("delay", "api-1", "60s", delay="200ms")
    rate = await chaos.inject("bandwidth", "api-1", "60s", rate="1mbit")
    assert (delay["bit"], rate["bit"]) == (True, True), (delay, rate)
    await chaos.call("DELETE", f"/faults/{delay['id']}")
    assert (await health(lab, "api-1")).took_s < 0.2
    assert [fault["kind"] for fault in lab.backends["api-1"].relay.state()["faults"]] == ["bandwidth"]
    await chaos.call("DELETE", f"/faults/{rate['id']}")
    assert lab.backends["api-1"].relay.state()["faults"] == []


@pytest.mark.parametrize(
    ("kind", "params", "reason"),
    [
        ("corrupt", {"corrupt": "10%"}, "TCP repairs"),
        ("disconnect", {}, "network for each process"),
        ("cpu", {"cpu": "20%"}, "cgroup"),
        ("delay", {"delay": "1s", "peer": "balancer"}, "127.0.0.1"),
        ("delay", {"delay": "1s", "mechanism": "netem"}, "netem"),
    ],
)
async def test_what_plain_processes_cannot_have_is_refused_with_the_reason(
    chaos: ChaosProcess, lab: FakeSupervisor, kind: str, params: dict[str, Any], reason: str
) -> None:
    order = {"kind": kind, "target": "api-1", "duration": "1s", "params": params}
    for path in ("/faults?dry_run=1", "/faults"):
        status, problem = await chaos.call("POST", path, order)
        assert (status, problem["error"]) == (422, "not_possible"), problem
        assert reason in problem["detail"]
        assert problem["possible"], problem
    assert lab.backends["api-1"].relay.state()["faults"] == []


# --- whatever dies ---
@pytest.mark.parametrize(
    ("kind", "params"), [("kill", {}), ("pause", {}), ("delay", {"delay": "200ms"}), ("blackhole", {})]
)
async def test_chaos_killed_in_the_middle_of_a_fault_heals_at_its_next_start(
    chaos: ChaosProcess, lab: FakeSupervisor, kind: str, params: dict[str, Any]
) -> None:
    record = await chaos.inject(kind, "api-1", "4s", **params)
    ends = time.monotonic() + 4.0 + GRACE_S
    await chaos.kill()
    await chaos.start()
    healed = await chaos.healed(record["id"], ends - time.monotonic())
    assert healed["healed_by"] == "restart"
    assert (await health(lab, "api-1")).took_s < 0.2


async def test_chaos_killed_while_it_injects_heals_what_it_had_announced(
    chaos: ChaosProcess, lab: FakeSupervisor, tmp_path: Path
) -> None:
    record = await chaos.inject("pause", "api-1", "60s")
    await chaos.kill()
    journal = tmp_path / "journal.jsonl"
    announced = journal.read_text().splitlines()[0]
    assert json.loads(announced)["record"]["state"] == "injecting"
    journal.write_text(announced + "\n" + '{"record":{"id":"torn')
    await chaos.start()
    assert (await chaos.healed(record["id"], GRACE_S))["healed_by"] == "restart"
    assert (await health(lab, "api-1")).ok


async def test_chaos_stopped_gracefully_heals_before_it_ends(chaos: ChaosProcess, lab: FakeSupervisor) -> None:
    await chaos.inject("pause", "api-1", "60s")
    await chaos.inject("kill", "api-2", "60s", allow_last=True)
    assert await chaos.terminate() == 0
    assert (await health(lab, "api-1")).ok
    assert (await health(lab, "api-2")).ok


async def test_a_target_killed_while_paused_is_running_afterwards(chaos: ChaosProcess, lab: FakeSupervisor) -> None:
    record = await chaos.inject("pause", "api-1", "1500ms")
    os.kill(lab.backends["api-1"].pid, signal.SIGKILL)
    await chaos.healed(record["id"], 1.5 + GRACE_S)
    assert (await health(lab, "api-1")).ok


async def test_a_target_that_the_supervisor_forgot_is_healed_with_a_note(
    chaos: ChaosProcess, lab: FakeSupervisor
) -> None:
    record = await chaos.inject("pause", "api-1", "60s")
    forgotten = lab.backends.pop("api-1")
    await forgotten.close()
    _, healed = await chaos.call("DELETE", f"/faults/{record['id']}")
    assert healed["state"] == "healed"
    assert "removed" in healed["error"]


async def test_a_crashed_backend_is_revived_a_stopped_one_left_alone(chaos: ChaosProcess, lab: FakeSupervisor) -> None:
    os.kill(lab.backends["api-2"].pid, signal.SIGTERM)
    os.kill(lab.backends["api-1"].pid, signal.SIGKILL)
    await eventually(lambda: health(lab, "api-1"), lambda answer: answer.ok, 5.0)
    assert not lab.backends["api-2"].is_running


# --- saying no ---
async def test_bad_orders_are_refused_with_what_was_expected(chaos: ChaosProcess) -> None:
    async def refusal(**order: Any) -> tuple[int, str]:
        body = {"kind": "pause", "target": "api-1", "duration": "5s"} | order
        status, problem = await chaos.call("POST", "/faults", body)
        return status, problem["detail"]

    assert (await refusal(kind="explode"))[0] == 422
    assert (await refusal(target="postgres"))[0] == 404
    status, detail = await refusal(duration=5)
    assert (status, "with its unit" in detail) == (422, True)
    assert (await refusal(duration="6min"))[0] == 422
    status, detail = await refusal(kind="delay", params={"delay": 1500})
    assert (status, "500ms" in detail) == (422, True)
    assert (await refusal(kind="delay"))[0] == 422
    assert (await refusal(params={"delay": "1s"}))[0] == 422
    assert (await refusal(surprise=1))[0] == 422
    assert (await chaos.call("GET", "/faults/none"))[0] == 404
    assert (await chaos.call("GET", "/faults"))[1] == {"faults": []}


async def test_conflicts_and_the_last_healthy_backend_are_refused(chaos: ChaosProcess) -> None:
    await chaos.inject("pause", "api-1", "30s")
    again = {"kind": "delay", "target": "api-1", "duration": "5s", "params": {"delay": "100ms"}}
    status, problem = await chaos.call("POST", "/faults", again)
    assert (status, problem["error"]) == (409, "conflict")
    last = {"kind": "pause", "target": "api-2", "duration": "1s"}
    status, problem = await chaos.call("POST", "/faults", last)
    assert (status, problem["error"]) == (409, "last_healthy_backend")
    assert (await chaos.call("POST", "/faults", last | {"allow_last": True}))[0] == 201


async def test_nothing_without_the_token_but_that_it_lives(chaos: ChaosProcess) -> None:
    async with aiohttp.ClientSession() as stranger:
        for path, status in (("/healthz", 200), ("/readyz", 401), ("/faults", 401), ("/docs", 401), ("/nowhere", 401)):
            async with stranger.get(chaos.url + path) as response:
                assert response.status == status, path
        async with stranger.post(chaos.url + "/faults", data=b"{not json") as response:
            assert response.status == 401
    assert (await chaos.call("GET", "/faults", Authorization="Bearer wrong"))[0] == 401
    assert (await chaos.call("POST", "/reset", Origin="https://example.org"))[0] == 403
    assert (await chaos.call("GET", "/faults", Host="rebound.example.org"))[0] == 403


# --- looking ---
async def test_targets_capabilities_clock_and_metrics(chaos: ChaosProcess) -> None:
    record = await chaos.inject("pause", "api-1", "30s")
    _, body = await chaos.call("GET", "/targets")
    assert [(t["name"], t["state"], t["faults"]) for t in body["targets"]] == [
        ("api-1", "paused", [record["id"]]),
        ("api-2", "running", []),
    ]
    _, body = await chaos.call("GET", "/capabilities")
    assert body["runtime"] == "local"
    assert body["faults"]["delay"] == {"possible": True, "mechanism": "relay", "missing": None}
    assert {kind for kind, each in body["faults"].items() if each["possible"]} == {
        kind for kind, fault in FAULTS.items() if fault.support.on("local")
    }
    assert all(each["missing"] for each in body["faults"].values() if not each["possible"])
    _, clock = await chaos.call("GET", "/clock")
    assert clock["mono"] == pytest.approx(time.monotonic(), abs=0.5)
    assert 'chaos_faults{kind="pause",state="active"} 1.0' in await chaos.text("/metrics")


async def test_the_event_stream_tells_the_whole_life_of_a_fault(chaos: ChaosProcess) -> None:
    await chaos.inject("pause", "api-1", "1s")
    types: list[str] = []
    async for event in chaos.events():
        types.append(event["type"])
        assert event["seq"] == len(types)
        assert event["fault"]["target"] == "api-1"
        if event["type"] == "fault_healed":
            break
    assert types == ["fault_injecting", "fault_injected", "fault_verified", "fault_healing", "fault_healed"]
