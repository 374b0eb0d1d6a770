"""The pytest plugin against a compose file that is not the lab's own: the one of the example."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from lab.runtime.docker_lab import DockerRuntime
from tests.e2e.conftest import spare_ports
from tests.support.lab_docker import need_docker
from tests.support.lab_example import EXAMPLE, base_image, run_example

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
WITHIN_S = 280.0


def test_a_users_own_compose_file(tmp_path: Path) -> None:
    need_docker()
    project = f"shop-test-{secrets.token_hex(3)}"
    arguments = ("--lab-runtime", "docker", "--lab-compose", str(EXAMPLE / "compose.yaml"), "--lab-project", project)
    environment = {**spare_ports(), **base_image()}
    told = run_example(tmp_path, environment, *arguments, "-k", "own or notices", within_s=WITHIN_S)
    assert "2 passed" in told, told
    left = DockerRuntime(project, compose_file=EXAMPLE / "compose.yaml").status()
    assert left == [], "what the session brought up, it takes down"
