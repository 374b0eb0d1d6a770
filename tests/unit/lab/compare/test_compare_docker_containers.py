"""Balancers in containers: what is given to the engine, and what cannot be had there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from lab.balancers import adapter
from lab.balancers.adapter import Command, Program
from lab.balancers.containers import Containers
from lab.balancers.selection import Choice
from lab.cli.app import run
from lab.compare import docker_containers, entries
from lab.compare.docker_containers import DockerRunningBalancer, backends
from lab.compare.docker_environment import DockerEnvironment
from lab.errors import BadArgumentsError
from lab.runtime import docker_cli
from lab.services.endpoints import Endpoints


def test_a_command_sees_its_folder_under_the_same_name_and_gets_its_environment(tmp_path: Path) -> None:
    command = Command(("caddy", "validate", "--config", f"{tmp_path}/Caddyfile"), {"XDG_DATA_HOME": str(tmp_path)})
    argv = Containers("peers:1").reached(command, tmp_path).argv
    joined = " ".join(argv)
    assert argv[:2] == ("docker", "run")
    assert joined.endswith(f"--entrypoint caddy peers:1 validate --config {tmp_path}/Caddyfile")
    assert f"--volume {tmp_path}:{tmp_path}" in joined
    assert f"--env XDG_DATA_HOME={tmp_path}" in joined
    assert "--network none" in joined


def test_it_is_as_confined_as_every_member_of_the_lab_and_never_root(tmp_path: Path) -> None:
    argv = Containers("peers:1").run(Command(("haproxy", "-v")), tmp_path)
    joined = " ".join(argv)
    for option in ("--read-only", "--cap-drop ALL", "--security-opt no-new-privileges:true", "--pids-limit 128"):
        assert option in joined
    user = argv[argv.index("--user") + 1]
    assert not user.startswith("0:")


def test_our_balancer_is_a_module_and_the_others_are_programs_on_the_path() -> None:
    place = Containers("image")
    assert place.find(adapter("reroute")) == Program(("python", "-m", "lb"))
    assert place.find(adapter("envoy")) == Program(("envoy",))


def test_an_image_is_named_for_one_balancer() -> None:
    assert entries.images(["haproxy=haproxy:3.2"]) == {"haproxy": "haproxy:3.2"}
    for wrong in ("haproxy", "haproxy=", "=x", "varnish=varnish:7"):
        with pytest.raises(BadArgumentsError, match="expected NAME=IMAGE"):
            entries.images([wrong])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--image", "haproxy=haproxy:3.2"], "--image is for --runtime docker"),
        (["--runtime", "docker", "--balancer-cmd", "my-lb"], "are for --runtime local"),
        (["--runtime", "docker", "--image", "haproxy"], "expected NAME=IMAGE"),
        (["--runtime", "swarm"], "swarm"),
    ],
)
def test_what_cannot_be_had_is_said_before_anything_starts(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_cli.subprocess, "Popen", lambda *_, **__: pytest.fail("something was started"))
    assert run(["compare", *arguments]) == 254
    assert told in capsys.readouterr().err


def test_a_backend_that_came_back_elsewhere_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine({"1": "172.18.0.2", "2": "172.18.0.3"})
    monkeypatch.setattr(docker_containers, "docker", engine)
    before = backends("reroute-compare-1")
    assert before == {"api-1": "172.18.0.2:8000", "api-2": "172.18.0.3:8000"}
    standing = DockerRunningBalancer(Endpoints("", "", "", "", "docker"), "reroute-compare-1", "balancer", before)
    assert standing.address_change() == ""
    engine.addresses["1"] = "172.18.0.9"
    assert standing.address_change() == "backends moved: api-1 from 172.18.0.2:8000 to 172.18.0.9:8000"


def test_a_container_that_ended_tells_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine({})
    monkeypatch.setattr(docker_containers, "docker", engine)
    standing = DockerRunningBalancer(Endpoints("", "", "", "", "docker"), "reroute-compare-1", "balancer", {})
    assert standing.ended() == ""
    engine.exit_code = 139
    assert standing.ended() == "the balancer ended during the run, with code 139"


def test_a_command_of_ones_own_has_no_container(tmp_path: Path) -> None:
    stage = DockerEnvironment(tmp_path, "reroute-compare-1")
    with pytest.raises(BadArgumentsError, match="runs on this machine"), stage.lab(Choice("mine", command="my-lb")):
        pass


class FakeEngine:
    """Answers `docker ps` and `docker inspect` for the backends of one project, and for one balancer."""

    def __init__(self, addresses: dict[str, str]) -> None:
        self.addresses = addresses
        self.exit_code: int | None = None

    def __call__(self, arguments: Sequence[str], **_: object) -> subprocess.CompletedProcess[str]:
        match list(arguments):
            case ["ps", "--quiet", *_]:
                return self._said("\n".join(self.addresses))
            case ["inspect", "balancer"]:
                state = {"Running": self.exit_code is None, "ExitCode": self.exit_code or 0}
                return self._said(json.dumps([{"State": state}]))
            case ["inspect", *ids]:
                return self._said(json.dumps([self._backend(each) for each in ids]))
        raise AssertionError(arguments)

    def _backend(self, number: str) -> dict[str, object]:
        return {
            "Id": f"id-{number}",
            "Name": f"/name-{number}",
            "Config": {"Labels": {"com.docker.compose.container-number": number}},
            "NetworkSettings": {"Networks": {"reroute-compare-1_traffic": {"IPAddress": self.addresses[number]}}},
        }

    def _said(self, out: str) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 0, out, "")
