from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.cli import app
from lab.runtime import Member
from lab.runtime.docker_lab import DockerRuntime

LEFT = [Member("reroute-lb-1", "lb", "running (healthy)", ""), Member("reroute-chaos-1", "chaos", "exited", "")]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a lab in containers, none of processes; signal handlers stay the test runner's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(app.signal, "signal", lambda *_: None)
    monkeypatch.delenv("LAB_DEBUG", raising=False)
    monkeypatch.setattr(DockerRuntime, "find", lambda _: None)
    monkeypatch.setattr(DockerRuntime, "status", lambda _: LEFT)


@pytest.mark.parametrize("line", ["status", "status --runtime docker"])
def test_half_a_lab_is_shown_with_what_it_lacks(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(line.split()) == 1
    shown = capsys.readouterr().out
    assert "reroute-lb-1" in shown
    assert "only a part of the lab on runtime docker is running: reroute-chaos-1 exited" in shown
    assert "next: lab up --runtime docker" in shown


def test_half_a_lab_as_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["status", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["running"] is False
    assert [member["state"] for member in document["members"]] == ["running (healthy)", "exited"]


@pytest.mark.parametrize("line", ["status", "up", "up --runtime docker", "run kill"])
def test_a_port_that_is_none_is_a_bad_argument(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REROUTE_LB_PORT", "abc")
    assert app.run(line.split()) == 254
    assert "REROUTE_LB_PORT" in capsys.readouterr().err
