"""Reads what the `docker` command prints: `compose ps`, `inspect`, and the end of an error."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from ..errors import EnvironmentProblemError
from .docker_cli import docker

PROJECT_LABEL: Final = "com.docker.compose.project"
SERVICE_LABEL: Final = "com.docker.compose.service"
ANSI: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
"""Pattern of colours and cursor movements (ECMA-48, control sequences)."""


def parse_ps(text: str) -> list[dict[str, Any]]:
    """Return the containers in `docker compose ps --format json`: an array up to 2.20, then an object per line."""
    lines = [json.loads(line) for line in text.splitlines() if line.strip()]
    return [each for line in lines for each in (line if isinstance(line, list) else [line])]


def inspect(*containers: str) -> list[dict[str, Any]]:
    """Return the output of `docker inspect`. Raise `EnvironmentProblemError`."""
    found = docker(["inspect", *containers])
    if found.returncode != 0:
        raise EnvironmentProblemError(f"docker inspect failed: {found.stderr.strip()}", "lab doctor")
    return list(json.loads(found.stdout))


def tail(text: str, lines: int = 12) -> tuple[str, ...]:
    """Return the last lines that are not empty, without colours."""
    plain = ANSI.sub("", text)
    return tuple(line for line in plain.splitlines() if line.strip())[-lines:]
