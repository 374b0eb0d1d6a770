"""Faults on a compose project that is not ours, without labels and from an image with one static program: each is
verified, and afterwards everything is as before."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.chaos_client import ChaosClient
from tests.support.chaos_docker import build_image, engine, wait_for_exit
from tests.support.chaos_foreign import SHOP, Attached, Project, build_plain_image, rules_of, state_of
from tests.support.chaos_matrix import GRACE_S
from tests.support.chaos_waiting import eventually
from tests.support.lab_docker import need_docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    need_docker()
    client = engine()
    build_image(client)
    build_plain_image(client)
    made = Project(client, tmp_path_factory.mktemp("shop"), f"shop{secrets.token_hex(3)}", SHOP)
    try:
        made.compose("up", "--detach", "--pull", "never")
        yield made
    finally:
        made.close()


def attach(shop: Project, folder: Path, suffix: str = "", **settings: str) -> Attached:
    return Attached(shop.client, folder, shop, f"reroute-attach-{shop.name}{suffix}", **settings)


@pytest.fixture(scope="module")
def attached(shop: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attached]:
    made = attach(shop, tmp_path_factory.mktemp("attached"))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
async def chaos(attached: Attached) -> AsyncIterator[ChaosClient]:
    async with ChaosClient(attached.url) as client:
        await client.ready()
        yield client
        client.url = attached.url  # a container that was started again publishes another port
        await client.ready()
        await client.call("POST", "/reset")


LONG = "60s"
"""A fault that ends by itself may do so before it is verified where the host is busy."""


async def heal(chaos: ChaosClient, record: dict[str, Any]) -> None:
    """End the fault and expect that nothing was in the way."""
    _, healed = await chaos.call("DELETE", f"/faults/{record['id']}")
    assert (healed["state"], healed["error"]) == ("healed", None), healed


async def refused(chaos: ChaosClient, kind: str, target: str, **params: Any) -> tuple[int, str, str]:
    order = {"kind": kind, "target": target, "duration": "2s", "params": params, "allow_last": True}
    status, problem = await chaos.call("POST", "/faults", order)
    return status, problem.get("error", ""), problem.get("detail", "")


# --- what can be faulted ---
async def test_targets_are_the_containers_of_the_named_services(chaos: ChaosClient, shop: Project) -> None:
    shop.compose("run", "--detach", "--no-deps", "web")  # a one-off container
    _, body = await chaos.call("GET", "/targets")
    names = ["api2-1", "hidden-1", "hosted-1", "lonely-1", "main-1", "sidecar-1", "web-1", "web-2"]
    assert ([each["name"] for each in body["targets"]], body["why"]) == (names, "")
    for other in ("proxy-1", "db-1", "chaos-1", shop.container("db").id):
        assert (await refused(chaos, "kill", other))[:2] == (404, "unknown_target")


async def test_orders_to_misbehave_are_impossible_and_say_why(chaos: ChaosClient) -> None:
    _, body = await chaos.call("GET", "/capabilities")
    impossible = {kind for kind, each in body["faults"].items() if not each["possible"]}
    assert impossible == {"cold_start", "error", "hang", "lie", "slow", "unhealthy"}
    assert "PUT /misbehave" in body["faults"]["error"]["missing"]
    assert (await refused(chaos, "error", "web-1"))[:2] == (422, "not_possible")


# --- what they do ---
FAULTS: list[tuple[str, str, dict[str, Any]]] = [
    ("kill", "web-1", {}),
    ("kill", "api2-1", {}),  # restart: always
    ("stop", "web-1", {}),
    ("restart", "web-1", {}),
    ("pause", "web-1", {}),
    ("delay", "web-1", {"delay": "150ms"}),
    ("loss", "web-1", {"loss": "90%"}),
    ("bandwidth", "web-1", {"rate": "1mbit"}),
    ("refuse", "web-1", {}),
    ("blackhole", "web-1", {}),
    ("disconnect", "web-1", {}),
    ("cpu", "api2-1", {"cpu": "20%"}),  # which has `cpus`, so that Docker refuses a quota
    ("memory", "api2-1", {"limit": "32MiB"}),
]


EVERY_PUSH = {("kill", "api2-1"), ("pause", "web-1"), ("delay", "web-1"), ("disconnect", "web-1"), ("cpu", "api2-1")}


@pytest.mark.parametrize(
    ("kind", "name", "params"),
    [
        pytest.param(*each, id=f"{each[0]}-{each[1]}", marks=() if each[:2] in EVERY_PUSH else pytest.mark.long)
        for each in FAULTS
    ],
)
async def test_a_fault_bites_and_leaves_everything_as_it_was(
    chaos: ChaosClient, shop: Project, kind: str, name: str, params: dict[str, Any]
) -> None:
    service, _, number = name.partition("-")
    container, other = shop.container(service, int(number)), shop.container("web", 2)
    same_address = kind not in ("kill", "stop", "restart", "disconnect")  # Docker may assign another one
    inside = f"container:{container.id}"

    def look() -> Any:
        return state_of(container, addresses=same_address), state_of(other), rules_of(shop.client, inside)

    before = await asyncio.to_thread(look)
    record = await chaos.inject(kind, name, LONG, **params)
    assert record["bit"] is True, str(record)
    await heal(chaos, record)
    assert await asyncio.to_thread(look) == before


async def test_a_partition_from_the_balancer_is_one_from_the_named_service(chaos: ChaosClient, shop: Project) -> None:
    ip = shop.container("web").attrs["NetworkSettings"]["Networks"][f"{shop.name}_front"]["IPAddress"]
    fetch = ["/busybox", "wget", "-q", "-T", "1", "-O", "-", f"http://{ip}:8080/healthz"]
    proxy = shop.container("proxy")
    assert proxy.exec_run(fetch).exit_code == 0
    record = await chaos.inject("partition", "web-1", LONG, peer="balancer")
    assert proxy.exec_run(fetch).exit_code != 0
    await heal(chaos, record)
    assert proxy.exec_run(fetch).exit_code == 0


# --- those that cannot be asked, or have no link of their own ---
UNPROBED = {
    "hidden": "shares no network with the chaos service",
    "hosted": "uses the host's network",
    "sidecar": "uses the network of another container",
    "lonely": "has no network",
}


@pytest.mark.parametrize("kind", ["kill", "pause", pytest.param("stop", marks=pytest.mark.long)])
async def test_what_cannot_be_probed_is_verified_by_its_state(chaos: ChaosClient, shop: Project, kind: str) -> None:
    containers = [shop.container(service) for service in UNPROBED]
    before = [state_of(each, addresses=False) for each in containers]
    records = await asyncio.gather(*(chaos.inject(kind, f"{service}-1", LONG) for service in UNPROBED))
    for record, why in zip(records, UNPROBED.values(), strict=True):
        assert record["bit"] is True, str(record)
        assert why in record["evidence"]
    for record in records:
        await heal(chaos, record)
    assert [state_of(each, addresses=False) for each in containers] == before


async def test_a_process_on_whose_network_another_one_relies_is_not_ended(chaos: ChaosClient, shop: Project) -> None:
    for kind in ("kill", "stop", "restart"):
        status, error, detail = await refused(chaos, kind, "main-1")
        assert (status, error, "would leave sidecar-1 without a network" in detail) == (409, "conflict", True)
    await heal(chaos, await chaos.inject("pause", "main-1", LONG))
    assert _runs(shop, "sidecar")


async def test_a_link_fault_never_touches_the_host(chaos: ChaosClient, shop: Project) -> None:
    began = int(time.time())
    for kind in ("blackhole", "refuse", "delay", "disconnect", "partition"):
        params = {"delay": {"delay": "100ms"}, "partition": {"peer": "balancer"}}.get(kind, {})
        for service, why in UNPROBED.items():
            status, error, detail = await refused(chaos, kind, f"{service}-1", **params)
            assert (status, error) == (409, "unreachable")
            assert why in detail
    for service in UNPROBED:
        helpers = {"event": "create", "label": f"reroute.helper={shop.container(service).id}"}
        assert list(shop.client.events(since=began, until=int(time.time()) + 1, decode=True, filters=helpers)) == []
    host = rules_of(shop.client, "host")
    assert host, "Docker itself has rules there"
    assert [line for line in host if re.search("REROUTE|NFQUEUE|4e52", line)] == []


# --- what happens to them meanwhile ---
@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("delay", {"delay": "100ms"}),
        pytest.param("kill", {}, marks=pytest.mark.long),
        pytest.param("pause", {}, marks=pytest.mark.long),
    ],
)
async def test_a_container_that_is_recreated_is_another_one(
    chaos: ChaosClient, shop: Project, kind: str, params: dict[str, Any]
) -> None:
    record = await chaos.inject(kind, "api2-1", LONG, **params)
    old = shop.container("api2").id
    await asyncio.to_thread(
        shop.compose, "up", "--detach", "--no-deps", "--force-recreate", "--pull", "never", "--timeout", "1", "api2"
    )
    new = shop.container("api2")
    assert new.id != old
    before = state_of(new), new.attrs["State"]["StartedAt"]
    _, ended = await chaos.call("DELETE", f"/faults/{record['id']}")
    assert (ended["state"], "removed" in ended["error"]) == ("healed", True)
    assert (state_of(new), new.attrs["State"]["StartedAt"]) == before
    await eventually(lambda: asyncio.to_thread(shop.helpers, old), lambda found: found == [], 5)
    assert "REROUTE" not in "".join(rules_of(shop.client, f"container:{new.id}"))


async def test_one_that_is_frozen_or_down_is_refused(chaos: ChaosClient, shop: Project) -> None:
    container = shop.container("web", 2)
    container.pause()
    assert await refused(chaos, "kill", "web-2") == (
        409, "not_running", "web-2 is paused: faults are possible only on a running target",
    )  # fmt: skip
    container.unpause()


async def test_nothing_of_theirs_is_restarted(chaos: ChaosClient, shop: Project, attached: Attached) -> None:
    down = [shop.container("db"), shop.container("web", 2)]
    for container in down:
        container.kill()
        await wait_for_exit(container)
    attached.container("reaper").kill()  # this one comes back: by then theirs would be back, too
    await eventually(lambda: asyncio.to_thread(_runs, attached, "reaper"), bool, 15)
    for container in down:
        container.reload()
        assert container.attrs["State"]["Status"] == "exited"
        container.start()


def _runs(project: Project, service: str) -> bool:
    return bool(project.container(service).attrs["State"]["Running"])


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("pause", {}),
        pytest.param("kill", {}, marks=pytest.mark.long),
        pytest.param("blackhole", {}, marks=pytest.mark.long),
    ],
)
async def test_the_pair_keeps_itself_alive_and_the_fault_ends_in_time(
    chaos: ChaosClient, shop: Project, attached: Attached, kind: str, params: dict[str, Any]
) -> None:
    container = shop.container("web")
    before = state_of(container, addresses=kind != "kill")
    record = await chaos.inject(kind, "web-1", "4s", **params)
    ends = time.monotonic() + 4 + GRACE_S
    attached.container("chaos").kill()
    chaos.url = await eventually(lambda: asyncio.to_thread(lambda: attached.url), bool, 15)
    ended = await chaos.healed(record["id"], max(1.0, ends - time.monotonic()))
    assert ended["error"] is None
    assert state_of(container, addresses=kind != "kill") == before


# --- other settings: these attach a second service, so they come last ---
async def test_a_second_service_waits_until_the_first_one_has_ended(
    chaos: ChaosClient, shop: Project, attached: Attached, tmp_path: Path
) -> None:
    second = attach(shop, tmp_path, "-second")
    try:
        async with ChaosClient(second.url) as other:
            await eventually(lambda: other.call("GET", "/healthz"), lambda answer: answer[0] == 200, 15)
            for method, path in (("GET", "/readyz"), ("GET", "/targets")):
                status, problem = await other.call(method, path)
                assert (status, problem["error"]) == (503, "already_attached")
                assert f"docker compose -p {attached.name} down" in problem["detail"]
            assert (await refused(other, "kill", "web-1"))[:2] == (503, "already_attached")
            await chaos.inject("pause", "web-1", "1s")
            attached.compose("stop")
            try:
                await other.ready()
                await other.inject("pause", "web-1", "1s")
            finally:
                await other.call("POST", "/reset")
                second.compose("stop")
                attached.compose("start")
                chaos.url = attached.url
    finally:
        second.close()


@pytest.fixture
def alone(attached: Attached) -> Iterator[None]:
    """The common service makes room for another one."""
    attached.compose("stop")
    yield
    attached.compose("start")


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("settings", "answer"),
    [({"CHAOS_HEALTH_PATH": "/nope"}, "HTTP 404"), ({"CHAOS_SERVICE_PORT": "8081"}, "refused")],
    ids=["path", "port"],
)
async def test_a_backend_that_fails_the_check_is_not_faulted(
    shop: Project, tmp_path: Path, settings: dict[str, str], answer: str
) -> None:
    other = attach(shop, tmp_path, "-wrong", **settings)
    try:
        async with ChaosClient(other.url) as chaos:
            await chaos.ready()
            status, error, detail = await refused(chaos, "kill", "web-1")
            assert (status, error) == (409, "unhealthy")
            assert answer in detail
            assert _runs(shop, "web")
    finally:
        other.close()


@pytest.mark.usefixtures("alone")
async def test_services_that_do_not_exist_are_named(shop: Project, tmp_path: Path) -> None:
    other = attach(shop, tmp_path, "-missing", CHAOS_TARGETS="web,wbe")
    try:
        async with ChaosClient(other.url) as chaos:
            await eventually(lambda: chaos.call("GET", "/healthz"), lambda answer: answer[0] == 200, 15)
            status, problem = await chaos.call("GET", "/readyz")
            assert (status, problem["error"]) == (503, "no_targets")
            assert "no container of service 'wbe'; its services: api2, db, " in problem["detail"]
            _, body = await chaos.call("GET", "/targets")
            assert ([each["name"] for each in body["targets"]], body["why"]) == (["web-1", "web-2"], problem["detail"])
            assert problem["detail"] in other.container("chaos").logs().decode()
    finally:
        other.close()


@pytest.mark.usefixtures("alone")
async def test_faults_are_verified_with_connections_only(shop: Project, tmp_path: Path) -> None:
    other = attach(shop, tmp_path, "-tcp", CHAOS_HEALTH="tcp", CHAOS_HEALTH_PATH="")
    faults: list[tuple[str, dict[str, Any]]] = [
        ("kill", {}), ("pause", {}), ("delay", {"delay": "150ms"}), ("loss", {"loss": "90%"}), ("refuse", {}),
        ("blackhole", {}), ("disconnect", {}),
    ]  # fmt: skip
    try:
        async with ChaosClient(other.url) as chaos:
            await chaos.ready()
            for kind, params in faults:
                record = await chaos.inject(kind, "web-1", LONG, **params)
                assert record["bit"] is True, str(record)
                await heal(chaos, record)
    finally:
        other.close()
