"""`lab compare --runtime docker`: a backend's container is killed once under every balancer, each in a container."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from lab.balancers import ADAPTERS
from lab.runtime.docker_cli import docker
from tests.e2e.conftest import Cli
from tests.support.lab_docker import need_docker

pytestmark = [pytest.mark.docker, pytest.mark.alone, pytest.mark.timeout(420)]

SCENARIO = """
version: 1
title: A backend's container is killed for a moment
load: {rate: 100/s, mix: [{request: GET /work, share: 90%}, {request: POST /jobs, share: 10%}]}
warm_up: 500ms
steady_state: 500ms
steps: [{at: 0s, fault: kill, target: api-1, duration: 1s}]
settle: {after_readmission: 1s, at_most: 4s}
expect: {error_budget: 100%}
"""
SAMPLE = ("reroute", "haproxy", "envoy")
WITHIN_S = 400.0
"""Two minutes with warm images; the first time, they are built."""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> dict[str, Any]:
    """One comparison for all tests, with a file that HAProxy rejects."""
    need_docker()
    folder = tmp_path_factory.mktemp("compare")
    (folder / "kill.yaml").write_text(SCENARIO)
    (folder / "bad.cfg").write_text("nonsense @BACKEND_1@ @BACKEND_2@ @BACKEND_3@\n")
    arguments = ("--scenarios", "kill.yaml", "--config", "haproxy=bad.cfg", "--seed", "3")
    if not request.config.getoption("--soak"):
        arguments += ("--balancers", ",".join(SAMPLE))
    done = Cli(folder).run("compare", "--runtime", "docker", *arguments, "--json", within_s=WITHIN_S)
    assert done.code == 0, done
    return {**done.document, "left": [str(each) for each in folder.glob(".lab/compare/*")]}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in SAMPLE else pytest.mark.long) for name in ADAPTERS]
)
def test_a_killed_backend_under_every_balancer(outcome: dict[str, Any], name: str) -> None:
    (result,) = (each for each in outcome["results"] if each["balancer"] == name)
    assert result["status"] in {"ok", "spoiled"}, result  # a busy host may spoil it twice, and says so
    measures = result["measures"]
    assert measures["requests"] > 100
    # One of three was gone for a second of seven, and a busy host can take seconds to start a container.
    assert measures["failed"] < measures["requests"] / 2
    assert "moved" not in result["reason"], "the backend came back under the address that the configuration has"
    assert measures["cpu_us"] > 0
    assert outcome["versions"][name][0].isdigit()


def test_what_the_program_in_the_container_rejects_is_shown_in_its_own_words(outcome: dict[str, Any]) -> None:
    (result,) = (each for each in outcome["results"] if each["balancer"] == "haproxy (bad.cfg)")
    assert result["status"] == "rejected"
    assert any("nonsense" in line for line in result["details"])


TWO = """
defaults
  mode http
  timeout connect 1s
  timeout client 9s
  timeout server 2s
  retries 2
  option redispatch 1
frontend web
  bind :80
  default_backend app
backend app
  option httpchk GET /healthz
  default-server check inter 500ms fall 2
  server one 10.0.0.1:80
  server two 10.0.0.2:80
"""
FIVE = """
events {}
http {
  upstream shop {
    server 10.0.0.1:80;
    server 10.0.0.2:80;
    server 10.0.0.3:80;
    server 10.0.0.4:80;
    server 10.0.0.5:80;
  }
  server {
    listen 80;
    location /v1/ { proxy_pass http://shop; }
  }
}
"""


def test_each_entry_has_as_many_backends_as_its_pool_has_servers_and_its_prefix(tmp_path: Path) -> None:
    need_docker()
    (tmp_path / "kill.yaml").write_text(SCENARIO)
    (tmp_path / "two.cfg").write_text(TWO)
    (tmp_path / "five.conf").write_text(FIVE)
    arguments = ("--entry", "two=haproxy:two.cfg", "--entry", "five=nginx:five.conf", "--seed", "3", "--json")
    done = Cli(tmp_path).run(
        "compare", "--runtime", "docker", "--scenarios", "kill.yaml", *arguments, within_s=WITHIN_S
    )
    assert done.code == 0, done
    results = {each["balancer"]: each for each in done.document["results"]}
    for name, count in (("two", 2), ("five", 5)):
        result = results[name]
        assert result["status"] in {"ok", "spoiled"}, result
        assert "moved" not in result["reason"]
        history = (tmp_path / done.document["folder"] / result["folder"] / "history.jsonl").read_text()
        answering = set(re.findall(r'"instance":"([^"]+)"', history))
        assert len(answering) == count, answering
        assert result["measures"]["failed"] < result["measures"]["requests"] / 2


def test_nothing_is_left(outcome: dict[str, Any]) -> None:
    assert outcome["runtime"] == "docker"
    for kind in ("container", "volume", "network"):
        everything = ["--all"] if kind == "container" else []
        listed = docker([kind, "ls", *everything, "--quiet", "--filter", "label=com.docker.compose.project"]).stdout
        shown = docker([kind, "inspect", *listed.split()]).stdout if listed.split() else ""
        assert "reroute-compare-" not in shown, kind
    assert outcome["left"] == []
