"""The undo on containers, whatever happens to target or engine meanwhile; and whose containers are not touched."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from chaos.drivers.probe import ask
from tests.support.chaos_client import ChaosClient
from tests.support.chaos_docker import PORT, DockerLab, build_image, docker_lab, engine, wait_for_exit
from tests.support.chaos_engine_proxy import EngineProxy
from tests.support.chaos_matrix import GRACE_S
from tests.support.chaos_waiting import eventually

pytestmark = pytest.mark.docker

STRANGER = "somebody-else"


class Lab:
    """Two targets, and a decoy: the same labels, the same network, the same service, another project."""

    def __init__(self, containers: DockerLab) -> None:
        self.containers = containers
        self.api = [containers.target(1), containers.target(2)]
        self.decoy = containers.target(3, project=STRANGER)
        self.chaos = containers.service("chaos", "chaos", ports={"8082/tcp": ("127.0.0.1", None)})

    @property
    def url(self) -> str:
        return url_of(self.chaos)


def url_of(chaos: Any) -> str:
    chaos.reload()
    return "http://127.0.0.1:{}".format(chaos.ports["8082/tcp"][0]["HostPort"])


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    build_image(engine())
    for containers in docker_lab():
        yield Lab(containers)


@pytest.fixture
async def chaos(lab: Lab) -> AsyncIterator[ChaosClient]:
    async with ChaosClient(lab.url) as client:
        await client.ready()
        for container in (*lab.api, lab.decoy):
            address = lab.containers.address(container)
            await eventually(lambda address=address: ask(address, timeout_s=1.0), lambda answer: answer.ok, 20)
        yield client
        await client.call("POST", "/reset")


def status(container: Any) -> str:
    container.reload()
    return str(container.attrs["State"]["Status"])


async def heal(chaos: ChaosClient, record: dict[str, Any]) -> dict[str, Any]:
    _, healed = await chaos.call("DELETE", f"/faults/{record['id']}")
    assert healed["state"] == "healed", healed
    return dict(healed)


# --- the target, meanwhile ---
@pytest.mark.parametrize("kind", ["pause", "blackhole"])
async def test_a_target_that_is_renamed_is_still_that_target(chaos: ChaosClient, lab: Lab, kind: str) -> None:
    before = await asyncio.to_thread(lab.containers.snapshot, lab.api[0])
    record = await chaos.inject(kind, "api-1", "60s")
    name = lab.api[0].name
    lab.api[0].rename(f"{name}-renamed")
    try:
        assert (await heal(chaos, record))["error"] is None
        assert await asyncio.to_thread(lab.containers.snapshot, lab.api[0]) == before
    finally:
        lab.api[0].rename(name)


async def test_one_that_is_created_again_is_another_target(chaos: ChaosClient, lab: Lab) -> None:
    old = lab.containers.target(4)
    address = lab.containers.address(old)
    await eventually(lambda: ask(address, timeout_s=1.0), lambda answer: answer.ok, 20)
    record = await chaos.inject("pause", "api-4", "60s")
    old.remove(force=True)
    new = lab.containers.target(4)
    new.pause()  # by somebody else: none of our business
    assert "removed" in (await heal(chaos, record))["error"]
    assert status(new) == "paused"
    new.remove(force=True)


async def test_the_helper_of_a_removed_target_goes_with_its_heal(chaos: ChaosClient, lab: Lab) -> None:
    extra = lab.containers.target(5)
    address = lab.containers.address(extra)
    await eventually(lambda: ask(address, timeout_s=1.0), lambda answer: answer.ok, 20)
    record = await chaos.inject("blackhole", "api-5", "60s")
    assert len(lab.containers.helpers(extra)) == 1
    extra.remove(force=True)
    await heal(chaos, record)
    # The engine removes an ended helper in its own time; its own end would be a minute away.
    await eventually(lambda: asyncio.to_thread(lab.containers.helpers, extra), lambda left: left == [], GRACE_S)


async def test_helpers_that_nobody_accounts_for_are_swept_at_the_next_start(chaos: ChaosClient, lab: Lab) -> None:
    """As an interrupted probe leaves one; another lab's is not ours to sweep."""

    def leftover(owner: str) -> Any:
        labels = {"reroute.helper": "probe", "reroute.helper.owner": owner}
        return lab.containers.client.containers.run(lab.chaos.image.id, ["true"], labels=labels, detach=True)

    ours, theirs = leftover(lab.chaos.attrs["Config"]["Hostname"]), leftover(STRANGER)
    try:
        await asyncio.to_thread(lab.chaos.restart, timeout=20)
        chaos.url = lab.url
        await chaos.ready()
        left = {
            each.id for each in lab.containers.client.containers.list(all=True, filters={"label": "reroute.helper"})
        }
        assert ours.id not in left
        assert theirs.id in left
    finally:
        theirs.remove(force=True)


# --- the engine, meanwhile ---
async def test_an_engine_that_is_away_when_the_fault_ends(lab: Lab, tmp_path: Path) -> None:
    """For the chaos service the engine is restarted: its door is shut over the fault's end, and open again."""
    door = EngineProxy(tmp_path / "docker.sock")
    await door.open()
    service = lab.containers.service(
        "chaos", "chaos", socket=str(door.path), mount=str(tmp_path), ports={"8082/tcp": ("127.0.0.1", None)}
    )
    try:
        async with ChaosClient(url_of(service)) as client:
            await client.ready()
            record = await client.inject("pause", "api-1", "2s")
            await door.close()
            await eventually(
                lambda: client.call("GET", f"/faults/{record['id']}"),
                lambda answer: answer[1]["state"] == "healing",
                10,
            )
            assert (await client.call("GET", "/readyz"))[0] == 503
            assert status(lab.api[0]) == "paused"
            await door.open()
            await client.healed(record["id"], GRACE_S)
            assert status(lab.api[0]) == "running"
    finally:
        await door.close()
        service.remove(force=True)


# --- whose containers these are ---
async def test_no_selection_reaches_another_projects_container(chaos: ChaosClient, lab: Lab) -> None:
    for target in ({"label": "reroute.chaos=allow"}, {"role": "api"}, {"percent": "100%"}, {}):
        order = {"kind": "pause", "target": target, "duration": "5s", "allow_last": True}
        code, preview = await chaos.call("POST", "/faults?dry_run=1", order)
        assert (code, preview["targets"]) == (200, ["api-1", "api-2"])
    for label in (f"com.docker.compose.project={STRANGER}", "com.docker.compose.container-number=3"):
        order = {"kind": "pause", "target": {"label": label}, "duration": "5s"}
        assert (await chaos.call("POST", "/faults", order))[0] == 404
    wish = {"duration": "10min", "rate": "1/s", "budget": 9, "faults": [{"kind": "kill", "duration": "1s"}]}
    _, plan = await chaos.call("POST", "/monkeys?dry_run=1", wish)
    assert {step["target"] for step in plan["steps"]} == {"api-1", "api-2"}


async def test_a_fault_on_all_of_ours_leaves_the_stranger_alone(chaos: ChaosClient, lab: Lab) -> None:
    order = {"kind": "kill", "target": {"role": "api"}, "duration": "3s", "allow_last": True}
    code, placed = await chaos.call("POST", "/faults", order)
    assert code == 201, placed
    assert [status(container) for container in lab.api] == ["exited", "exited"]
    assert (await ask(lab.containers.address(lab.decoy), timeout_s=1.0)).ok
    for record in placed["faults"]:
        await chaos.healed(record["id"], 3 + GRACE_S)
    assert [status(container) for container in lab.api] == ["running", "running"]


async def test_a_dead_stranger_is_not_revived(chaos: ChaosClient, lab: Lab) -> None:
    lab.decoy.kill()
    lab.api[0].kill()
    await wait_for_exit(lab.decoy)
    await eventually(lambda: asyncio.to_thread(status, lab.api[0]), lambda seen: seen == "running", 15)
    assert status(lab.decoy) == "exited"
    lab.decoy.start()


# --- the stop condition ---
async def test_a_stop_condition_on_one_of_the_labs_services_heals_within_2_s(chaos: ChaosClient, lab: Lab) -> None:
    condition = {"url": f"http://{lab.api[1].name}:{PORT}/health", "op": "!=", "value": 200}
    order = {"kind": "blackhole", "target": "api-1", "duration": "60s", "stop_when": condition}
    code, record = await chaos.call("POST", "/faults", order)
    assert code == 201, record
    host, port = lab.containers.address(lab.api[1])
    async with aiohttp.ClientSession() as session:
        await session.put(f"http://{host}:{port}/misbehave", json={"mode": "unhealthy"})
        met = time.monotonic()
        try:
            healed = await chaos.healed(record["id"], 5.0)
        finally:
            await session.put(f"http://{host}:{port}/misbehave", json={"mode": "ok"})
    assert (healed["healed_by"], "it was 503" in healed["error"]) == ("stop_condition", True)
    assert healed["healed_mono"] - met < 2.0


async def test_another_projects_service_is_not_asked(chaos: ChaosClient, lab: Lab) -> None:
    condition = {"url": f"http://{lab.decoy.name}:{PORT}/health", "op": "!=", "value": 200}
    order = {"kind": "pause", "target": "api-1", "duration": "5s", "stop_when": condition}
    code, problem = await chaos.call("POST", "/faults", order)
    assert (code, "neither loopback nor a service of this lab" in problem["detail"]) == (422, True)
