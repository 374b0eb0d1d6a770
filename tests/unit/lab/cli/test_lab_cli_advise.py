from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.cli.app import run

GOOD = """
defaults
    mode http
    timeout connect 250ms
    timeout server 1s
    timeout check 400ms
    retries 1
    option redispatch 1
    option httpchk GET /health
    default-server check inter 500ms fastinter 100ms fall 2 pool-purge-delay 4s

frontend web
    bind 127.0.0.1:8080
    default_backend app

backend app
    server a 127.0.0.1:9001
    server b 127.0.0.1:9002
"""


@pytest.fixture
def prod(tmp_path: Path) -> Path:
    file = tmp_path / "haproxy.cfg"
    file.write_text(GOOD)
    return file


def test_nothing_dangerous_is_exit_code_0(prod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["advise", str(prod)]) == 0
    assert "nothing dangerous was found" in capsys.readouterr().out


def test_a_danger_is_exit_code_1_and_names_its_line(prod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prod.write_text(GOOD.replace("timeout server 1s", "timeout server 1h"))
    assert run(["advise", str(prod), "--format", "json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)["findings"]
    assert (found["rule"], found["line"]) == ("longer-than-client", 5)
    assert run(["advise", str(prod), "--client-timeout", "2h"]) == 0


@pytest.mark.parametrize(
    "options",
    [["--rate", "0/s"], ["--rate", "200"], ["--posts", "200%"], ["--adapter", "nobody"], ["--pool", "other"]],
)
def test_bad_arguments_are_exit_code_254(prod: Path, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["advise", str(prod), *options]) == 254
    assert capsys.readouterr().err.startswith("lab: ")


def test_a_program_without_a_reader_is_a_bad_argument(prod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["advise", str(prod), "--adapter", "reroute"]) == 254
    assert "cannot read files of reroute" in capsys.readouterr().err


def test_more_requests_are_more_requests_at_risk(prod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slow = []
    for rate in ("100/s", "1000/s"):
        run(["advise", str(prod), "--format", "json", "--rate", rate])
        pause = json.loads(capsys.readouterr().out)["predictions"][1]
        slow.append(pause["at_risk"]["get"]["failed"])
    assert slow[1] == pytest.approx(10 * slow[0], rel=0.02)
