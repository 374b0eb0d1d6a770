"""The chaos service in its container, on real containers: every fault bites, and afterwards nothing is left of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from chaos.drivers.probe import Address, Answer, ask
from tests.support.chaos_client import ChaosClient
from tests.support.chaos_docker import DockerLab, build_image, docker_lab, engine, wait_for_exit
from tests.support.chaos_snapshots import snapshots
from tests.support.chaos_waiting import eventually

pytestmark = pytest.mark.docker

GRACE_S = 5.0
"""Healed within the fault's duration and this, whatever crashes (docs/faults.md)."""


class Lab:
    """Two targets, the chaos service, its reaper, and a decoy that belongs to another project."""

    def __init__(self, containers: DockerLab) -> None:
        self.containers = containers
        self.api = [containers.target(1), containers.target(2)]
        self.decoy = containers.target(9, project="somebody-else")
        self.chaos = containers.service("chaos", "chaos", ports={"8082/tcp": ("127.0.0.1", None)})
        self.reaper = containers.service("reaper", "chaos.reaper")
        self.chaos.reload()

    @property
    def url(self) -> str:
        self.chaos.reload()
        return "http://127.0.0.1:{}".format(self.chaos.ports["8082/tcp"][0]["HostPort"])

    def address(self, number: int) -> Address:
        return self.containers.address(self.api[number - 1])

    async def health(self, number: int, timeout_s: float = 1.0) -> Answer:
        return await ask(self.address(number), timeout_s=timeout_s)

    async def snapshot(self, number: int) -> dict[str, Any]:
        return await asyncio.to_thread(self.containers.snapshot, self.api[number - 1])


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    build_image(engine())
    for containers in docker_lab():
        yield Lab(containers)


@pytest.fixture
async def chaos(lab: Lab) -> AsyncIterator[ChaosClient]:
    async with ChaosClient(lab.url) as client:
        await client.ready()
        for number in (1, 2):
            await eventually(lambda number=number: lab.health(number), lambda answer: answer.ok, 20)
        yield client
        client.url = lab.url  # a restarted container publishes another port
        await client.ready()
        await client.call("POST", "/reset")


AT_ONCE = 3
"""Injections under way: a helper's start takes a second of CPU, and a verification may take two seconds at most."""
FIRST_OWN = 11
"""The first number of the targets of FAULTS."""
FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("kill", {}, "SIGKILL"),
    ("stop", {}, "SIGTERM"),
    ("restart", {}, "SIGTERM"),
    ("pause", {}, "freezer"),
    ("delay", {"delay": "150ms"}, "n"),  # netem or nfqueue, by the kernel
    ("loss", {"loss": "90%"}, "n"),
    ("blackhole", {}, "iptables DROP"),
    ("refuse", {}, "iptables REJECT"),
    ("corrupt", {"corrupt": "60%"}, "n"),
    ("duplicate", {"duplicate": "50%"}, "n"),
    ("reorder", {"reorder": "50%", "delay": "20ms"}, "n"),
    ("bandwidth", {"rate": "1mbit"}, "htb"),
    ("bandwidth", {"rate": "1mbit", "mechanism": "nfqueue"}, "nfqueue"),
    ("disconnect", {}, "docker network"),
    ("cpu", {"cpu": "20%"}, "docker update"),
    ("memory", {"limit": "64MiB"}, "docker update"),
    ("error", {}, "misbehave"),
]


@dataclass
class Life:
    """One fault of FAULTS, from its injection to its end, on a target of its own."""

    target: Any
    before: Any = None
    active: dict[str, Any] = field(default_factory=dict)
    ended: dict[str, Any] = field(default_factory=dict)
    error: Exception | None = None
    after: Any = None
    answer: Answer | None = None


@pytest.fixture(scope="module")
def lives(lab: Lab) -> list[Life]:
    """All of FAULTS at the same time: one after the other, they would last for more than a minute."""
    lives = [Life(lab.containers.target(FIRST_OWN + number)) for number in range(len(FAULTS))]
    asyncio.run(live(lab, lives))
    for life in lives:
        life.target.remove(force=True)
    return lives


async def live(lab: Lab, lives: list[Life]) -> None:
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(life: Life, number: int) -> None:
        kind, params, _ = FAULTS[number]
        try:
            async with turn:
                life.active = await chaos.inject(kind, f"api-{FIRST_OWN + number}", "3s", **params)
            life.ended = await chaos.healed(life.active["id"], 3 + GRACE_S)
        except (AssertionError, OSError, aiohttp.ClientError) as error:  # for the test of that fault
            life.error = error

    async def health(life: Life) -> Answer:
        return await ask(lab.containers.address(life.target), timeout_s=1.0)

    async with ChaosClient(lab.url) as chaos:
        await chaos.ready()
        for life in lives:
            await eventually(lambda life=life: health(life), lambda answer: answer.ok, 20)
        await take_snapshots(lab, lives, "before")
        await asyncio.gather(*(one(life, number) for number, life in enumerate(lives)))
        await take_snapshots(lab, lives, "after")
        for life in lives:
            life.answer = await health(life)


async def take_snapshots(lab: Lab, lives: list[Life], moment: str) -> None:
    taken = await asyncio.to_thread(snapshots, lab.containers.client, [life.target for life in lives])
    for life in lives:
        setattr(life, moment, taken[life.target.id])


@pytest.mark.parametrize("number", range(len(FAULTS)), ids=[f"{kind}-{how}" for kind, _, how in FAULTS])
def test_a_fault_bites_is_measured_and_leaves_nothing(lives: list[Life], number: int) -> None:
    life, mechanism = lives[number], FAULTS[number][2]
    if life.error:
        raise life.error
    assert life.active["bit"] is True, life.active
    assert mechanism in life.active["mechanism"]
    assert life.ended["healed_by"] == "expiry"
    assert life.before
    assert life.after == life.before
    assert life.answer
    assert life.answer.ok
    assert life.answer.took_s < 0.1


@pytest.mark.parametrize("kind", ["kill", "pause", "delay"])
async def test_chaos_killed_in_the_middle_of_a_fault(chaos: ChaosClient, lab: Lab, kind: str) -> None:
    before = await lab.snapshot(1)
    params = {"delay": "150ms"} if kind == "delay" else {}
    record = await chaos.inject(kind, "api-1", "4s", **params)
    ends = time.monotonic() + 4 + GRACE_S
    lab.chaos.kill()  # like `docker compose kill chaos`: the engine will not restart it
    await wait_for_exit(lab.chaos)
    await eventually(lambda: lab.health(1), lambda answer: answer.ok and answer.took_s < 0.1, ends - time.monotonic())
    chaos.url = (await eventually(lambda: _url(lab), bool, 10)) or ""
    await chaos.ready()
    assert (await chaos.healed(record["id"], max(1.0, ends - time.monotonic())))["state"] == "healed"
    assert await lab.snapshot(1) == before


async def _url(lab: Lab) -> str:
    try:
        return lab.url
    except (KeyError, IndexError, TypeError):
        return ""  # not running again yet


async def test_a_frozen_chaos_service_is_stood_in_for_by_the_reaper(chaos: ChaosClient, lab: Lab) -> None:
    record = await chaos.inject("pause", "api-1", "3s")
    ends = time.monotonic() + 3 + GRACE_S
    lab.chaos.pause()  # alive for Docker, and not able to heal
    try:
        await eventually(lambda: lab.health(1), lambda answer: answer.ok, ends - time.monotonic())
    finally:
        lab.chaos.unpause()
    assert (await chaos.healed(record["id"], GRACE_S))["state"] == "healed"


async def test_a_target_restarted_in_the_middle_of_a_link_fault(chaos: ChaosClient, lab: Lab) -> None:
    before = await lab.snapshot(1)
    record = await chaos.inject("blackhole", "api-1", "3s")
    await asyncio.to_thread(lab.api[0].restart, timeout=1)
    await chaos.healed(record["id"], 3 + GRACE_S)
    assert await lab.snapshot(1) == before
    assert (await lab.health(1)).ok


async def test_a_killed_helper_leaves_nothing(chaos: ChaosClient, lab: Lab) -> None:
    before = await lab.snapshot(1)
    record = await chaos.inject("blackhole", "api-1", "2s")
    for helper in lab.containers.helpers(lab.api[0]):
        helper.kill()  # its DROP rules stay behind
    await chaos.healed(record["id"], 2 + GRACE_S)
    assert await lab.snapshot(1) == before


async def test_a_target_killed_while_paused_is_running_afterwards(chaos: ChaosClient, lab: Lab) -> None:
    record = await chaos.inject("pause", "api-1", "2s")
    lab.api[0].kill()
    await chaos.healed(record["id"], 2 + GRACE_S)
    assert (await lab.snapshot(1))["status"] == "running"


async def test_a_removed_target_is_healed_with_a_note(chaos: ChaosClient, lab: Lab) -> None:
    extra = lab.containers.target(3)
    record = await chaos.inject("pause", "api-3", "60s")
    extra.remove(force=True)
    _, healed = await chaos.call("DELETE", f"/faults/{record['id']}")
    assert healed["state"] == "healed"
    assert "removed" in healed["error"]


async def test_members_killed_from_outside_come_back_stopped_ones_do_not(chaos: ChaosClient, lab: Lab) -> None:
    lab.api[0].kill()
    lab.reaper.kill()
    lab.api[1].kill("SIGTERM")
    await wait_for_exit(lab.api[1])
    await eventually(lambda: _running(lab.api[0]), bool, 15)
    await eventually(lambda: _running(lab.reaper), bool, 15)
    assert not await _running(lab.api[1])
    lab.api[1].start()


async def _running(container: Any) -> bool:
    await asyncio.to_thread(container.reload)
    return bool(container.attrs["State"]["Running"])


async def test_anothers_container_is_not_a_target(chaos: ChaosClient, lab: Lab) -> None:
    for name in ("api-9", lab.decoy.name, lab.decoy.id, "chaos-1", "reaper-1"):
        status, problem = await chaos.call("POST", "/faults", {"kind": "kill", "target": name, "duration": "1s"})
        assert (status, problem["possible"]) == (404, ["api-1", "api-2"])
    assert await _running(lab.decoy)


async def test_capabilities_name_the_mechanism_of_this_kernel(chaos: ChaosClient) -> None:
    _, body = await chaos.call("GET", "/capabilities")
    delay = body["faults"]["delay"]
    assert delay["possible"]
    assert (delay["mechanism"], delay["missing"]) in (("netem", None), ("nfqueue", "sch_netem"))


async def test_faults_that_shape_a_link_combine_and_end_one_by_one(chaos: ChaosClient, lab: Lab) -> None:
    before = await lab.snapshot(1)
    delay = await chaos.inject("delay", "api-1", "30s", delay="100ms")
    rate = await chaos.inject("bandwidth", "api-1", "30s", rate="10mbit")
    assert (delay["bit"], rate["bit"]) == (True, True), (delay, rate)
    status, problem = await chaos.call("POST", "/faults", {"kind": "blackhole", "target": "api-1", "duration": "1s"})
    assert (status, problem["error"]) == (409, "conflict")
    await chaos.call("DELETE", f"/faults/{rate['id']}")
    assert (await lab.health(1)).took_s > 0.1, "the delay goes on"
    await chaos.call("DELETE", f"/faults/{delay['id']}")
    assert (await lab.health(1)).took_s < 0.1
    assert await lab.snapshot(1) == before


async def test_a_partition_cuts_one_peer_and_nobody_else(chaos: ChaosClient, lab: Lab) -> None:
    before = await lab.snapshot(1)
    here = f"http://{lab.address(1)[0]}:8000/health"
    fetch = ["python", "-c", f"import urllib.request as u; u.urlopen({here!r}, timeout=1)"]
    assert lab.api[1].exec_run(fetch).exit_code == 0
    record = await chaos.inject("partition", "api-1", "20s", peer="api-2")
    assert record["mechanism"] == "iptables DROP"
    assert lab.api[1].exec_run(fetch).exit_code != 0
    assert (await lab.health(1)).ok, "we are on neither side"
    await chaos.call("DELETE", f"/faults/{record['id']}")
    assert lab.api[1].exec_run(fetch).exit_code == 0
    assert await lab.snapshot(1) == before


async def test_a_delay_for_one_peer_is_read_back(chaos: ChaosClient, lab: Lab) -> None:
    record = await chaos.inject("delay", "api-1", "20s", delay="300ms", peer="api-2")
    assert record["bit"] in (None, True), "no packet of that peer has to come by"
    assert "delay by" in record["evidence"]
    assert (await lab.health(1)).took_s < 0.1
    await chaos.call("DELETE", f"/faults/{record['id']}")


async def test_a_mechanism_that_this_kernel_lacks_is_refused_with_what_is_possible(chaos: ChaosClient) -> None:
    _, body = await chaos.call("GET", "/capabilities")
    if body["faults"]["delay"]["mechanism"] == "netem":
        pytest.skip("this kernel has netem")
    order = {"kind": "delay", "target": "api-1", "duration": "1s", "params": {"delay": "1s", "mechanism": "netem"}}
    answers = [await chaos.call("POST", path, order) for path in ("/faults?dry_run=1", "/faults")]
    for status, problem in answers:
        assert (status, problem["possible"]) == (422, ["mechanism: nfqueue"])
        assert "lacks sch_netem" in problem["detail"]
    _, body = await chaos.call("GET", "/faults")
    assert all("netem" not in record["params"].values() for record in body["faults"]), "nothing was begun"
