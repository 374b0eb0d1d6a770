"""`lab tune`: exit codes, JSON, and what it writes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from lab.cli.app import run

CONFIG = """\
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 5s
    option redispatch
    option httpchk GET /health

frontend web
    bind 127.0.0.1:8080
    default_backend app

backend app
    server a 127.0.0.1:9001 check inter 2s
    server b 127.0.0.1:9002 check inter 2s
"""
GOAL = "pause: reroute <= 600ms"


@pytest.fixture
def prod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "prod.cfg"
    file.write_text(CONFIG)
    return file


def test_a_goal_that_can_be_met_is_exit_code_0(prod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tune", str(prod), "--goal", GOAL, "--limit", "checks <= 20/s a backend", "--no-verify"]) == 0
    shown = capsys.readouterr().out
    assert "every goal is met with" in shown
    assert "health checks of one server: 0.5/s → 10/s" in shown
    assert "--slowest-response" in shown
    assert "--- prod.cfg\n+++ prod.cfg\n" in shown
    assert "not checked" in shown or "accepts the changed files" in shown
    assert prod.read_text() == CONFIG


def test_a_goal_that_cannot_be_met_is_exit_code_1_and_says_why(prod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tune", str(prod), "--goal", "pause: reroute <= 100ms", "--no-verify"]) == 1
    shown = capsys.readouterr().out
    assert "not every goal can be met; the best is reached with" in shown
    assert "missed: pause: reroute" in shown
    assert "no check time-out below 100 ms" in shown


def test_a_goal_that_is_met_already_changes_nothing(prod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tune", str(prod), "--goal", "kill: failed <= 100"]) == 0  # nothing to verify either
    shown = capsys.readouterr().out
    assert "nothing needs to change" in shown
    assert "+++" not in shown


def test_json_has_everything(prod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["tune", str(prod), "--goal", GOAL, "--goal", "all: wait <= 10s", "--limit", "attempts <= 4"]
    assert run([*words, "--no-verify", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["schema"], found["program"], found["met"]) == (1, "haproxy", True)
    first = found["goals"][0]
    assert (first["fault"], first["measure"], first["bound"]) == ("pause", "reroute", 0.6)
    assert first["after"] <= 0.6 < first["before"]
    assert len(found["goals"]) == 7
    assert found["limits"] == [{"limit": "attempts <= 4", "bound": 4.0, "before": 4.0, "after": 4.0}]
    assert found["after"]["checks_per_s"] == 10.0
    assert len(found["before"]["predictions"]) == 6
    assert found["patch"].startswith("--- prod.cfg\n")
    assert {"name", "writes", "before", "remark"} == set(found["changes"][0])


def test_the_patch_is_written_and_applies(prod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["tune", str(prod), "--goal", GOAL, "--no-verify", "--write", "prod.diff"]
    assert run(words) == 0
    assert "patch -p0 < prod.diff" in capsys.readouterr().out
    subprocess.run(["patch", "-p0", "-s", "-i", "prod.diff"], cwd=prod.parent, check=True)
    assert run(["tune", str(prod), "--goal", GOAL]) == 0
    assert "nothing needs to change" in capsys.readouterr().out


def test_a_configuration_is_never_overwritten(prod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tune", str(prod), "--goal", GOAL, "--no-verify", "--write", "./prod.cfg"]) == 254
    assert "this is your configuration" in capsys.readouterr().err
    assert prod.read_text() == CONFIG


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "--goal"),
        (["--goal", "pause"], "expected FAULT: MEASURE <= VALUE"),
        (["--goal", GOAL, "--limit", "checks <= 20"], "is not a rate such as 20/s a backend"),
        (["--goal", GOAL, "--slowest-response", "fast"], "--slowest-response"),
        (["--goal", GOAL, "--check-path", "health"], "--check-path 'health': expected a path"),
        (["--goal", GOAL, "--check-path", "/a b"], "--check-path '/a b': expected a path"),
        (["--goal", GOAL, "--adapter", "reroute"], "cannot tune files of reroute"),
        (["--goal", GOAL, "--pool", "other"], "no way fits --pool other"),
        (["--goal", GOAL, "--repeat", "0"], "--repeat"),
    ],
)
def test_bad_arguments_are_exit_code_254(
    prod: Path, options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["tune", str(prod), *options, "--no-verify"]) == 254
    assert told in capsys.readouterr().err


def test_a_file_that_does_not_exist_is_exit_code_254(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tune", "haproxy-missing.cfg", "--goal", GOAL, "--no-verify"]) == 254
    assert "there is no file" in capsys.readouterr().err
