from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from lab.errors import BadArgumentsError, EnvironmentProblemError
from lab.runtime import docker_lab as module
from lab.runtime.docker_lab import COMPOSE_FILE, DockerRuntime

UNHEALTHY = "container reroute-lb-1 is unhealthy"


class Engine:
    """Answers like `docker`, and remembers what it was asked to change."""

    def __init__(self) -> None:
        self.folder = COMPOSE_FILE.parent
        self.states = {"lb": "running", "chaos": "running", "api": "running"}
        self.ups = [(0, "")]
        self.changes: list[str] = []
        self.admin_token = "of-the-container"
        self.told = ""
        """The admin token that compose was given last."""

    def __call__(
        self,
        arguments: list[str],
        *,
        timeout_s: float = 0,
        directory: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        verb = arguments[9] if arguments[0] == "compose" else arguments[0]
        code, out, err = 0, "", ""
        if verb == "ps" and arguments[0] == "compose":
            out = "\n".join(json.dumps(self.container(name)) for name in self.states)
        elif verb == "ps":
            out = f"{self.folder}\n" * len(self.states)
        elif verb == "exec":
            out = "token"
        elif verb == "inspect":
            out = f"PATH=/bin\nLB_ADMIN__TOKEN={self.admin_token}\n"
        if environment is not None:
            self.told = environment["REROUTE_ADMIN_TOKEN"]
        if verb not in {"ps", "exec", "inspect", "logs"}:
            self.changes.append(" ".join([verb, *arguments[1:]]) if verb == "unpause" else verb)
            if verb == "up":
                code, err = self.ups.pop(0)
        return subprocess.CompletedProcess(arguments, code, out, err)

    def container(self, name: str) -> dict[str, object]:
        ports = {"lb": (8080, 8081), "chaos": (8082,)}.get(name, ())
        publishers = [{"URL": "127.0.0.1", "TargetPort": port, "PublishedPort": port} for port in ports]
        return {"Name": f"reroute-{name}-1", "Service": name, "State": self.states[name], "Publishers": publishers}


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    fake = Engine()
    monkeypatch.setattr(module, "docker", fake)
    monkeypatch.setattr(module, "engine_version", lambda: "24")
    monkeypatch.setattr(module, "compose_version", lambda: "2.26")
    monkeypatch.setattr(module, "RECOVER_POLL_S", 0)
    return fake


@pytest.mark.parametrize("command", ["up", "down"])
def test_a_project_of_another_folder_is_not_touched(engine: Engine, command: str) -> None:
    engine.folder = Path("/elsewhere/reroute")
    with pytest.raises(BadArgumentsError, match="started from /elsewhere/reroute") as refused:
        getattr(DockerRuntime(), command)(print)
    assert "--project" in refused.value.next_step
    assert engine.changes == []


def test_a_run_on_a_lab_of_another_folder_says_so(engine: Engine) -> None:
    engine.folder = Path("/elsewhere/reroute")
    said: list[str] = []
    with DockerRuntime().borrow(said.append):
        pass
    assert "/elsewhere/reroute" in said[0]
    assert engine.changes == []


def test_our_own_project_is_removed(engine: Engine) -> None:
    assert DockerRuntime().down(print)
    assert engine.changes == ["down"]


def test_containers_left_paused_are_unpaused_first(engine: Engine) -> None:
    engine.states["api"] = "paused"
    with pytest.raises(EnvironmentProblemError, match="not all of them still run"):  # the fake stays paused
        DockerRuntime().up(print)
    assert engine.changes == ["unpause reroute-api-1", "up"]


def test_who_was_unhealthy_before_gets_a_moment(engine: Engine) -> None:
    engine.ups = [(1, UNHEALTHY), (1, UNHEALTHY), (0, "")]
    assert DockerRuntime().up(print).runtime == "docker"
    assert engine.changes == ["up", "up", "up"]


def test_who_stays_unhealthy_is_said_without_colours(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECOVER_WITHIN_S", 0)
    engine.ups = [(1, f"\x1b[31m{UNHEALTHY}\x1b[0m")] * 2
    with pytest.raises(EnvironmentProblemError) as failed:
        DockerRuntime().up(print)
    assert failed.value.details == (UNHEALTHY,)


def test_compose_is_told_the_admin_token_that_the_balancer_has_already(engine: Engine) -> None:
    endpoints = DockerRuntime().up(lambda _: None)
    assert endpoints.admin_token == engine.told == "of-the-container"
