"""A compose project that knows nothing of the chaos service, as a client that has its containers shows it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from chaos.drivers.container_networks import ips, why_no_address, why_no_link
from chaos.drivers.docker_client import DockerClient
from chaos.drivers.docker_runtime import DockerRuntime
from chaos.drivers.docker_targets import DockerTarget
from chaos.drivers.netns_helper import NetnsHelpers
from chaos.drivers.targets import Running
from chaos.engine.capabilities import capability
from chaos.errors import (
    AlreadyAttachedError,
    BadRequestError,
    NoAddressError,
    NotPossibleError,
    RuntimeUnavailableError,
    TargetGoneError,
)
from chaos.faults import FAULTS
from chaos.inputs.settings import Settings
from chaos.links.impairment import Impairment

COMPOSE = "com.docker.compose"
SETTINGS = {
    "CHAOS_RUNTIME": "docker",
    "CHAOS_PROJECT": "shop",
    "CHAOS_CONTAINER": "own",
    "CHAOS_TARGETS": "web,api2:9000",
}


class FakeDocker:
    """Containers by id. `started` is what was sent to Docker beside questions."""

    def __init__(self) -> None:
        self.summaries: dict[str, dict[str, Any]] = {}
        self.inspected: dict[str, dict[str, Any]] = {}
        self.calls = 0

    def add(
        self,
        id_: str,
        service: str,
        project: str = "shop",
        *,
        state: str = "running",
        mode: str = "shop_default",
        networks: dict[str, str] | None = None,
        started: str = "2026-01-01T00:00:00.1Z",
        exit_code: int = 137,
        env: tuple[str, ...] = (),
        **labels: str,
    ) -> None:
        networks = {"shop_default": "10.0.0.2"} if networks is None else networks
        endpoints = {name: {"IPAddress": ip, "GlobalIPv6Address": ""} for name, ip in networks.items()}
        all_labels = {
            f"{COMPOSE}.project": project,
            f"{COMPOSE}.service": service,
            f"{COMPOSE}.container-number": "1",
            f"{COMPOSE}.oneoff": "False",
            **{f"{COMPOSE}.{key.replace('_', '-')}": value for key, value in labels.items()},
        }
        running = state in ("running", "paused", "restarting")
        network_settings = {"Networks": endpoints, "SandboxKey": f"/var/run/docker/netns/{id_}"}
        self.summaries[id_] = {
            "Id": id_,
            "Names": [f"/{project}-{id_}"],
            "Labels": all_labels,
            "State": state,
            "NetworkSettings": network_settings,
            "HostConfig": {"NetworkMode": mode},
        }
        self.inspected[id_] = {
            "Id": id_,
            "Name": f"/{project}-{id_}",
            "Config": {"Labels": all_labels, "Env": list(env), "Hostname": id_},
            "HostConfig": {"NetworkMode": mode},
            "NetworkSettings": network_settings,
            "State": {
                "Status": state,
                "Running": running,
                "Paused": state == "paused",
                "Restarting": state == "restarting",
                "StartedAt": started,
                "ExitCode": exit_code,
            },
        }

    async def containers(self, *labels: str) -> list[dict[str, Any]]:
        wanted = dict(label.split("=", 1) if "=" in label else (label, None) for label in labels)
        return [
            each
            for each in self.summaries.values()
            if all(key in each["Labels"] and value in (None, each["Labels"][key]) for key, value in wanted.items())
        ]

    async def inspect(self, container: str) -> dict[str, Any]:
        if container not in self.inspected:
            raise TargetGoneError(f"no container {container}")
        return self.inspected[container]

    async def call(self, _: Any) -> Any:
        self.calls += 1
        return "helper"


@pytest.fixture
def docker() -> FakeDocker:
    docker = FakeDocker()
    docker.add("w1", "web")
    docker.add("a1", "api2")
    docker.add("p1", "proxy", networks={"shop_default": "10.0.0.9"})
    docker.add("d1", "db")
    docker.add("old", "db", state="exited", container_number="2")
    docker.add("run", "web", oneoff="True")
    docker.add("own", "chaos", "reroute-attach-shop", started="2026-01-01T00:00:00.12Z", env=("CHAOS_PROJECT=shop",))
    docker.add("reap", "reaper", "reroute-attach-shop", state="exited")
    return docker


def runtime_of(docker: FakeDocker, **changed: str) -> DockerRuntime:
    runtime = DockerRuntime(Settings.from_environment(SETTINGS | changed))
    runtime._client = runtime._helpers._client = cast(DockerClient, docker)
    return runtime


async def target_of(docker: FakeDocker, name: str = "web-1", **changed: str) -> DockerTarget:
    return next(each for each in await runtime_of(docker, **changed).targets() if each.name == name)  # type: ignore[return-value]


# --- who is a target, who a member ---
async def test_the_containers_of_the_named_services_are_targets_without_any_label(docker: FakeDocker) -> None:
    targets = await runtime_of(docker, CHAOS_SERVICE_PORT="8080", CHAOS_HEALTH_PATH="/up").targets()
    addresses = [await target.address() for target in targets]
    assert [(target.name, target.role, target.foreign) for target in targets] == [
        ("api2-1", "api2", True),
        ("web-1", "web", True),
    ]
    assert [(str(each), each.health.path) for each in addresses] == [("10.0.0.2:9000", "/up"), ("10.0.0.2:8080", "/up")]


async def test_all_that_runs_in_the_project_is_a_member(docker: FakeDocker) -> None:
    members = await runtime_of(docker).targets(all_roles=True)
    assert [each.name for each in members] == ["api2-1", "db-1", "proxy-1", "web-1"]


async def test_the_balancer_as_a_peer_is_the_service_that_was_named(docker: FakeDocker) -> None:
    delay = Impairment("delay", 1.0, delay_s=0.1, peers=("balancer",))
    named, unnamed = await target_of(docker, CHAOS_BALANCER="proxy"), await target_of(docker)
    assert (await named._resolved(delay)).peers == ("10.0.0.9",)
    with pytest.raises(BadRequestError, match="set CHAOS_BALANCER"):
        await unnamed._resolved(delay)


async def test_a_journaled_target_is_found_though_its_service_is_no_longer_named(docker: FakeDocker) -> None:
    runtime = runtime_of(docker, CHAOS_TARGETS="web")
    assert (await runtime.recall("api2-1", {"container": "a1"})).name == "api2-1"
    with pytest.raises(TargetGoneError):
        await runtime.recall("chaos-1", {"container": "own"})


async def test_a_container_that_is_down_and_replaced_is_gone(docker: FakeDocker) -> None:
    """To start it would be in the way of `docker compose up`, which is about to remove it."""
    docker.add("w1", "web", state="exited")
    runtime = runtime_of(docker)
    assert (await runtime.recall("web-1", {"container": "w1"})).name == "web-1"
    docker.add("w2", "web", state="created", replace="w1")
    with pytest.raises(TargetGoneError):
        await runtime.recall("web-1", {"container": "w1"})


async def test_a_container_that_was_made_to_replace_one_of_its_own_name_is_the_target(docker: FakeDocker) -> None:
    docker.add("w1", "web", replace="shop-w1")
    assert (await target_of(docker)).id == "w1"


# --- what is missing ---
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, ""),
        (
            {"CHAOS_TARGETS": "web,api3"},
            "'shop' has no container of service 'api3'; its services: api2, db, proxy",
        ),
        ({"CHAOS_PROJECT": "shpo"}, "compose project 'shpo' has no containers on this host: start it"),
    ],
)
async def test_what_does_not_exist_is_named_with_what_does(
    docker: FakeDocker, changed: dict[str, str], reason: str
) -> None:
    found = await runtime_of(docker, **changed).obstacle()
    assert reason in found
    assert bool(reason) == bool(found)


# --- who restarts whom ---
async def test_nothing_of_theirs_is_restarted_but_the_reaper_is(docker: FakeDocker) -> None:
    runtime = runtime_of(docker)
    await runtime.targets(all_roles=True)  # all have been seen running
    for container in ("w1", "d1"):
        docker.inspected[container]["State"] |= {"Running": False, "ExitCode": 137}
        docker.summaries[container]["State"] = "exited"
    assert [each.name for each in await runtime.crashed()] == ["reaper-1"]
    assert [each.name for each in await runtime_of(docker, CHAOS_OWN_PROJECT="reroute-attach-shop").crashed()] == [
        "reaper-1"
    ]


async def test_without_an_own_project_the_pair_cannot_find_each_other(docker: FakeDocker) -> None:
    del docker.inspected["own"]["Config"]["Labels"][f"{COMPOSE}.project"]
    with pytest.raises(RuntimeUnavailableError, match="set CHAOS_OWN_PROJECT"):
        await runtime_of(docker).crashed()


# --- two services for one project ---
async def test_the_later_of_two_services_waits_until_the_earlier_one_ends(docker: FakeDocker) -> None:
    docker.add("other", "chaos", "second", started="2026-01-01T00:00:00.1Z", env=("CHAOS_PROJECT=shop",))
    runtime = runtime_of(docker)
    with pytest.raises(AlreadyAttachedError, match=r"second-other already .* compose -p second down"):
        await runtime.targets()
    docker.summaries["other"]["State"] = "exited"
    assert len(await runtime.targets()) == 2


@pytest.mark.parametrize(
    ("started", "project"), [("2026-01-01T00:00:00.2Z", "shop"), ("2026-01-01T00:00:00.1Z", "another")]
)
async def test_a_later_one_or_one_for_another_project_is_not_in_the_way(
    docker: FakeDocker, started: str, project: str
) -> None:
    docker.add("other", "chaos", "second", started=started, env=(f"CHAOS_PROJECT={project}",))
    assert len(await runtime_of(docker).targets()) == 2


# --- networks ---
async def test_who_uses_the_network_of_a_target_is_known(docker: FakeDocker) -> None:
    assert await (await target_of(docker)).dependents() == []
    docker.add("s1", "sidecar", mode="container:w1", networks={})
    assert await (await target_of(docker)).dependents() == ["sidecar-1"]
    assert await (await target_of(docker, "api2-1")).dependents() == []


MODES = [("host", {"host": ""}, "host's network"), ("none", {"none": ""}, "no network"), ("container:x", {}, "another")]


@pytest.mark.parametrize(("mode", "networks", "reason"), MODES)
async def test_without_a_link_of_its_own_there_is_no_address_and_no_helper(
    docker: FakeDocker, mode: str, networks: dict[str, str], reason: str
) -> None:
    docker.add("w1", "web", mode=mode, networks=networks)
    target = await target_of(docker)
    with pytest.raises(NoAddressError, match=reason):
        await target.address()
    for injection in (target.impair(Impairment("blackhole", 1.0)), target.disconnect()):
        with pytest.raises(NotPossibleError, match=reason):
            await injection
    with pytest.raises(NotPossibleError, match=reason):
        await NetnsHelpers(cast(DockerClient, docker), "image", "own")._start("w1", ["clear"])
    assert docker.calls == 0, "Docker was asked questions only"


@pytest.mark.parametrize(
    "change",
    [{"HostConfig": {"NetworkMode": "9f2c"}, "NetworkSettings": {"Networks": {}, "SandboxKey": "/ns/default"}}],
)
def test_the_hosts_network_is_recognized_by_its_namespace(docker: FakeDocker, change: dict[str, Any]) -> None:
    assert "whole host" in why_no_link(docker.inspected["w1"] | change)
    assert why_no_link(docker.inspected["w1"]) == ""


async def test_probes_go_to_an_address_in_a_network_of_the_chaos_service(docker: FakeDocker) -> None:
    docker.add("w1", "web", networks={"back": "10.1.0.2", "shop_default": "10.0.0.2"})
    assert (await (await target_of(docker)).address()).ip == "10.0.0.2"
    docker.add("w1", "web", networks={"back": "10.1.0.2"})
    with pytest.raises(NoAddressError, match=r"web-1 shares no network .*\(its networks: back; .*: shop_default"):
        await (await target_of(docker)).address()
    docker.add("own", "chaos", networks={"host": ""}, mode="host")
    assert (await (await target_of(docker)).address()).ip == "10.1.0.2", "the host reaches all"


def test_a_container_that_is_down_has_no_address(docker: FakeDocker) -> None:
    docker.add("w1", "web", state="exited", networks={"shop_default": ""})
    assert ips(docker.inspected["w1"]) == []
    assert why_no_address(docker.inspected["w1"], None) == "is not running"


async def test_one_that_docker_is_about_to_restart_does_not_run(docker: FakeDocker) -> None:
    docker.add("w1", "web", state="restarting")
    assert await (await target_of(docker)).running() is Running.RESTARTING


# --- what they cannot be asked for ---
@pytest.mark.parametrize("kind", ["cold_start", "error", "hang", "lie", "slow", "unhealthy"])
async def test_orders_to_misbehave_need_backends_that_take_them(docker: FakeDocker, kind: str) -> None:
    refused = await capability(FAULTS[kind], runtime_of(docker))
    assert (refused.possible, "PUT /misbehave" in (refused.missing or "")) == (False, True)
    assert (await capability(FAULTS[kind], runtime_of(docker, CHAOS_MISBEHAVE_TOKEN="secret"))).possible
