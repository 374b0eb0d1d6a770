"""Whether Docker tests can run here, and if not, why."""

from __future__ import annotations

import os

import pytest

from lab.errors import EnvironmentProblemError
from lab.runtime.docker_cli import compose_version, engine_version


def need_docker() -> None:
    """Skip where no engine or Compose answers; fail instead under LAB_REQUIRE_DOCKER=1."""
    try:
        engine_version()
        compose_version()
    except EnvironmentProblemError as error:
        reason = f"{error}; {error.next_step}"
        if os.environ.get("LAB_REQUIRE_DOCKER") == "1":
            pytest.fail(f"LAB_REQUIRE_DOCKER=1, but {reason}")
        pytest.skip(reason)
