"""The library of scenarios on containers, in one lab, as `lab run --runtime docker` does it.

Every push runs a sample: two that plain processes run too, and three that only containers can do. `--soak` runs the
whole library.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import pytest

from lab.runtime.docker_lab import DockerRuntime
from lab.scenario.library import names
from tests.e2e.conftest import Cli, spare_ports
from tests.support.lab_docker import need_docker
from tests.support.lab_library import LibraryPass, library_pass

SAMPLE = ["corrupt", "cpu", "kill", "partition", "pause"]
WITHIN_S = 540.0
"""The whole library takes five minutes; what a busy host spoils is run again."""

pytestmark = [pytest.mark.docker, pytest.mark.alone, pytest.mark.timeout(WITHIN_S + 60)]


@pytest.fixture(scope="module")
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LibraryPass]:
    need_docker()
    project = f"reroute-test-{secrets.token_hex(3)}"
    cli = Cli(tmp_path_factory.mktemp("library"), spare_ports())
    wanted = ["--all"] if request.config.getoption("--soak") else SAMPLE
    yield library_pass(cli, *wanted, "--runtime", "docker", "--project", project, within_s=WITHIN_S)
    assert DockerRuntime(project).status() == [], "what the command brought up, it takes down"


@pytest.mark.parametrize(
    "scenario", [pytest.param(name, marks=() if name in SAMPLE else pytest.mark.long) for name in names()]
)
def test_the_library_passes_on_docker(library: LibraryPass, scenario: str) -> None:
    if reason := library.skipped.get(scenario):
        assert "LAB_REQUIRE_DOCKER" not in os.environ, reason
        pytest.skip(reason)
    library.expect_pass(scenario)
    assert library.runs[scenario]["runtime"] == "docker"
