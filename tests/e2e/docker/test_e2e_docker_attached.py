"""Compose projects that know nothing of the lab are attached as they are: the examples, and `lab init` from nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.support.attached_example import PORTS, Example, running
from tests.support.lab_docker import need_docker

pytestmark = [pytest.mark.docker, pytest.mark.alone, pytest.mark.timeout(600)]


def chaos_containers(example: Example) -> list[str]:
    label = f"label=com.docker.compose.project=reroute-attach-{example.project}"
    return example.run("docker", "ps", "--all", "--quiet", "--filter", label).stdout.split()


OPTIONS = ("--backends", "web", "--health", "/healthz", "--balancer", "proxy", "--config", "haproxy.cfg")


@pytest.mark.parametrize("name", PORTS)
def test_an_example_passes_and_nothing_of_it_is_changed(name: str, tmp_path: Path) -> None:
    """HAProxy's begins with nothing but the project, and `lab init` writes the rest; the others run as they are."""
    need_docker()
    with running(name, tmp_path, with_lab_file=name != "haproxy") as example:
        before = example.inspected()
        if name == "haproxy":
            begun = example.lab("init", *OPTIONS, "--json")
            assert begun.returncode == 0, begun.stderr
            assert json.loads(begun.stdout)["identify"] == "json:/host"
        tested = example.run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "--rootdir", ".")
        assert tested.returncode == 0, tested.stdout[-4000:] + tested.stderr[-2000:]
        assert example.inspected() == before
        assert chaos_containers(example) == []


def test_what_cannot_be_attached_is_said_and_nothing_is_started(tmp_path: Path) -> None:
    need_docker()
    with running("haproxy", tmp_path, with_lab_file=False) as example:
        refusals = {
            (): "which services of",
            ("--backends", "wbe"): "has no service 'wbe'",
            ("--backends", "web", "--traffic", "http://example.com/"): "is neither on loopback nor a service",
            ("--backends", "web", "--traffic", "http://127.0.0.1:9/"): "no answer",
            ("--backends", "web", "--health", "x"): "backends.health",
            ("--backends", "web", "--rate", "5"): "rate: expected",
            ("--backends", "web", "--compose", "none.yaml"): "there is no such file",
        }
        for options, told in refusals.items():
            refused = example.lab("attach", *options)
            assert refused.returncode in {254, 255}, (options, refused)
            assert told in refused.stderr, (options, refused.stderr)
            assert not (tmp_path / "lab.yaml").exists()
        example.run("docker", "compose", "stop", "--timeout", "1", "web")
        stopped = example.lab("attach", "--backends", "web", "--service-port", "8000")
        assert stopped.returncode == 255
        assert "no container of web runs" in stopped.stderr
        assert "up --detach --wait" in stopped.stderr
        assert chaos_containers(example) == []
