"""The files that `lab init` writes are valid and say the same as the lab file."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from lab.errors import BadArgumentsError
from lab.runtime.attached.lab_file import parse_lab_file
from lab.runtime.attached.starter_files import SCENARIO, TEST, WORKFLOW, starter_files, write_starter_files
from lab.scenario.file_reader import load_scenario
from tests.unit.lab.runtime.test_attached_lab_file import WHOLE

HAPROXY = """\
defaults
    mode http
    timeout connect 500ms
    timeout client 30s
    timeout server 1s
    retries 2
    option redispatch
    retry-on conn-failure response-timeout
frontend shop
    bind :80
    default_backend web
backend web
    option httpchk GET /healthz
    default-server check inter 1s fall 2 rise 2
    server a 10.0.0.1:8000
    server b 10.0.0.2:8000
"""


def written(tmp_path: Path, text: str = WHOLE) -> Path:
    (tmp_path / "haproxy.cfg").write_text(HAPROXY)
    write_starter_files(tmp_path, starter_files(parse_lab_file(text, tmp_path / "lab.yaml"), "50/s"), force=False)
    return tmp_path


def test_the_scenario_requests_what_the_lab_file_names(tmp_path: Path) -> None:
    scenario = load_scenario(written(tmp_path) / SCENARIO)
    assert [(each.request, each.share) for each in scenario.load.mix] == [("GET /", 0.9), ("GET /prices", 0.1)]
    assert scenario.load.rate == 50.0
    assert scenario.expect.reroute == "within_bound"


def test_without_a_configuration_the_limits_are_seconds(tmp_path: Path) -> None:
    unknown = WHOLE.replace("balancer: {service: proxy, config: [haproxy.cfg]}\n", "")
    expect = load_scenario(written(tmp_path, unknown) / SCENARIO).expect
    assert (expect.reroute, expect.readmit) == (3.0, 20.0)


def test_the_test_and_the_job_are_well_formed(tmp_path: Path) -> None:
    folder = written(tmp_path)
    ast.parse((folder / TEST).read_text())
    steps = YAML(typ="safe").load((folder / WORKFLOW).read_text())["jobs"]["failover"]["steps"]
    commands = [each["run"] for each in steps if "run" in each]
    assert "docker compose -f compose.yaml up --build --detach --wait" in commands
    assert f"pytest {TEST}" in commands


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    (tmp_path / TEST).write_text("mine")
    with pytest.raises(BadArgumentsError, match=f"{TEST} exist already"):
        written(tmp_path)
    assert (tmp_path / TEST).read_text() == "mine"
    assert not (tmp_path / SCENARIO).exists()
