from __future__ import annotations

import json
import subprocess

import pytest

from lab.errors import EnvironmentProblemError
from lab.runtime import docker_cli
from lab.runtime.docker_output import parse_ps


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2.26.1-4", (2, 26, 1)),
        ("v2.20.0", (2, 20, 0)),
        ("20.10.24+dfsg1", (20, 10, 24)),
        ("5", (5,)),
        ("dev", ()),
    ],
)
def test_versions_are_compared_as_numbers(text: str, expected: tuple[int, ...]) -> None:
    assert docker_cli.numbers(text) == expected


def test_two_digits_are_newer_than_one() -> None:
    assert docker_cli.numbers("2.9.0") < docker_cli.MIN_COMPOSE <= docker_cli.numbers("2.20")


def answers(monkeypatch: pytest.MonkeyPatch, code: int, stdout: str = "", stderr: str = "") -> None:
    """Whatever docker is asked, this is what it says."""
    monkeypatch.setattr(
        docker_cli, "docker", lambda arguments: subprocess.CompletedProcess(arguments, code, stdout, stderr)
    )


def test_no_permission_names_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, 1, stderr="permission denied while trying to connect to the Docker daemon socket at unix:///…")
    with pytest.raises(EnvironmentProblemError, match="no permission") as refused:
        docker_cli.engine_version()
    assert "usermod -aG docker" in refused.value.next_step


def test_no_engine_says_how_to_start_it(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, 1, stderr="Cannot connect to the Docker daemon at unix:///var/run/docker.sock.\n")
    with pytest.raises(EnvironmentProblemError, match="no Docker engine answers") as refused:
        docker_cli.engine_version()
    assert "--runtime local" in refused.value.next_step


@pytest.mark.parametrize(
    ("version", "ask"), [("19.03.15", docker_cli.engine_version), ("2.19.1", docker_cli.compose_version)]
)
def test_an_old_version_is_named_with_the_one_that_is_needed(
    monkeypatch: pytest.MonkeyPatch, version: str, ask: object
) -> None:
    answers(monkeypatch, 0, stdout=version + "\n")
    with pytest.raises(EnvironmentProblemError, match=rf"{version} is too old: \d+\.\d+ is needed"):
        ask()  # type: ignore[operator]  # parametrized callables


def test_no_compose_names_the_script_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, 1, stderr="docker: 'compose' is not a docker command.")
    with pytest.raises(EnvironmentProblemError, match="compose plugin is missing") as refused:
        docker_cli.compose_version()
    assert "scripts/docker-setup" in refused.value.next_step


def test_no_docker_command_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_cli.shutil, "which", lambda _: None)
    with pytest.raises(EnvironmentProblemError, match="no docker command"):
        docker_cli.docker(["version"])


def test_containers_are_read_in_the_old_and_the_new_format() -> None:
    containers = [{"Name": "reroute-lb-1"}, {"Name": "reroute-api-1"}]
    array, lines = json.dumps(containers), "\n".join(map(json.dumps, containers)) + "\n"
    assert parse_ps(array) == parse_ps(lines) == containers
    assert parse_ps("") == parse_ps("[]") == []
