"""The lab as containers: up, scaling under load, and recovery from whatever is killed."""

from __future__ import annotations

import json
import secrets
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.runtime.docker_cli import docker
from lab.runtime.docker_lab import DockerRuntime
from tests.e2e.conftest import Cli, spare_ports
from tests.support.lab_docker import need_docker
from tests.support.lab_load import Load
from tests.support.lab_processes import eventually

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

SERVICES = ("api", "lb", "chaos", "reaper")
HEALS_WITHIN_S = 20.0
"""CHAOS_REVIVE_AFTER is 5 s, the reaper's lease another 5 s, a container's start and first check up to 5 s."""


class Lab:
    """A compose project of our own, through `lab` and through Docker."""

    def __init__(self, folder: Path) -> None:
        self.runtime = DockerRuntime(f"reroute-test-{secrets.token_hex(3)}")
        self.cli = Cli(folder, {**spare_ports(), "COMPOSE_PROJECT_NAME": self.runtime.project})

    def compose(self, *arguments: str) -> str:
        # The published ports are interpolated again by every command that touches containers.
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.cli.environment.items():
                patch.setenv(name, value)
            result = self.runtime.compose(*arguments, timeout_s=120)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def backends(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.admin}/backends", timeout=3) as answer:
            return list(json.load(answer)["backends"])

    @property
    def admin(self) -> str:
        return f"http://127.0.0.1:{self.cli.environment['REROUTE_ADMIN_PORT']}"

    @property
    def traffic(self) -> str:
        return f"http://127.0.0.1:{self.cli.environment['REROUTE_LB_PORT']}"

    def up_backends(self) -> int:
        try:
            return sum(each["state"] == "up" for each in self.backends())
        except OSError:
            return -1  # the balancer itself is down

    def whole(self) -> bool:
        """Every container runs, healthy where it has a check, and the balancer uses three backends."""
        states = [member.state for member in self.runtime.status()]
        return all(state in {"running", "running (healthy)"} for state in states) and self.up_backends() == 3


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    need_docker()
    made = Lab(tmp_path_factory.mktemp("docker-lab"))
    try:
        up = made.cli.run("up", "--runtime", "docker", "--json", within_s=280)
        assert up.code == 0, up
        yield made
    finally:
        made.cli.run("down", "--runtime", "docker", "--project", made.runtime.project)
        assert made.runtime.status() == []


@pytest.fixture(autouse=True)
def logs_on_failure(lab: Lab, request: pytest.FixtureRequest) -> Iterator[None]:
    failed_before = request.session.testsfailed
    yield
    if request.session.testsfailed > failed_before:
        sys.stderr.write(lab.runtime.logs(tail=60))


def test_everything_is_healthy_when_up_returns(lab: Lab) -> None:
    members = lab.runtime.status()
    assert sorted(member.role for member in members) == ["api", "api", "api", "chaos", "lb", "reaper"]
    assert lab.whole()
    published = " ".join(member.address for member in members).split()
    assert all(address.startswith("127.0.0.1:") for address in published)
    assert len(published) == 3


def test_containers_are_confined(lab: Lab) -> None:
    for container in inspect(lab):
        host, config = container["HostConfig"], container["Config"]
        service = config["Labels"]["com.docker.compose.service"]
        assert host["ReadonlyRootfs"], service
        assert host["CapDrop"] == ["ALL"], service
        # A backend gives them up before it serves (test_e2e_docker_isolation.py looks at the process).
        allowed = {"SETUID", "SETGID", "KILL"} if service == "api" else set()
        assert {name.removeprefix("CAP_") for name in host["CapAdd"] or ()} == allowed, service
        assert not host["Privileged"], service
        assert "no-new-privileges:true" in host["SecurityOpt"], service
        assert host["Init"], service
        assert host["Memory"] > 0, service
        assert host["PidsLimit"] > 0, service
        sees_socket = any(mount["Destination"] == "/var/run/docker.sock" for mount in container["Mounts"])
        assert sees_socket == (service in {"chaos", "reaper"}), service
        assert (config["User"] == "65532:65532") == (service == "lb"), service
        assert (config["Labels"].get("reroute.chaos") == "allow") == (service == "api"), service


def test_scaling_under_load_fails_no_request(lab: Lab) -> None:
    with Load(lab.traffic, rate=100) as load:
        for count in (5, 1, 3):
            lab.compose("up", "--detach", "--no-build", "--no-recreate", "--scale", f"api={count}", "api")
            eventually(lambda n=count: lab.up_backends() == n, 15, f"the balancer uses {count} backends")
    assert load.sent > 200
    assert load.bad == [], load.bad[:5]


@pytest.mark.parametrize("service", SERVICES)
def test_whatever_is_killed_comes_back(lab: Lab, service: str) -> None:
    began = time.monotonic()
    lab.compose("kill", service)
    eventually(lambda: not lab.whole(), 5, f"{service} is seen dead")
    eventually(lab.whole, HEALS_WITHIN_S + 10, f"{service} is back and the lab whole")
    assert time.monotonic() - began < HEALS_WITHIN_S + 15


def test_chaos_killed_in_the_middle_of_a_fault(lab: Lab) -> None:
    duration_s = 3.0
    injected = lab.cli.run(
        "faults", "inject", "pause", "api-1", "--duration", f"{duration_s:g}s", "--runtime", "docker", "--json"
    )
    assert injected.code == 0, injected
    began = time.monotonic()
    lab.compose("kill", "chaos")
    eventually(
        lambda: all("paused" not in member.state for member in lab.runtime.status()),
        duration_s + 5.0 - (time.monotonic() - began) + 1.0,  # + one look at the containers
        "the fault is healed although its service was killed",
    )
    eventually(lab.whole, HEALS_WITHIN_S, "the lab is whole again")


def inspect(lab: Lab) -> list[dict[str, Any]]:
    ids = lab.compose("ps", "--quiet", "--all").split()
    return list(json.loads(docker(["inspect", *ids]).stdout))


@pytest.mark.parametrize("after_s", [1.0, 3.0, 8.0])
def test_an_interrupted_run_takes_its_containers_along(tmp_path: Path, after_s: float) -> None:
    """Beside the lab of the other tests: a project that the command itself brings up."""
    project = f"reroute-test-{secrets.token_hex(3)}"
    cli = Cli(tmp_path, spare_ports())
    with cli.popen("run", "pause", "--runtime", "docker", "--project", project) as process:
        time.sleep(after_s)  # a moment inside: the first looks, the start, the run
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    for kind in ("container", "volume", "network"):
        everything = ["--all"] if kind == "container" else []
        mine = ["--quiet", "--filter", f"label=com.docker.compose.project={project}"]
        assert docker([kind, "ls", *everything, *mine]).stdout == "", kind
