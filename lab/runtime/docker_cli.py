"""Calls the `docker` command without a shell and with a time-out; turns its errors into one line and a next step."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ..errors import EnvironmentProblemError

MIN_ENGINE: Final = (20, 10)
MIN_COMPOSE: Final = (2, 20)
"""The first that knows `!reset`, `include` and a dependable `up --wait`."""
QUICK_S: Final = 15.0
"""For calls that only ask the engine something."""
END_GRACE_S: Final = 5.0
"""From SIGTERM to SIGKILL for an interrupted command; Compose then finishes the call that it is in."""


def docker(
    arguments: Sequence[str],
    *,
    timeout_s: float = QUICK_S,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `docker …` and answer what it said. Out of Ctrl-C's reach: callers decide what an interruption undoes.

    Raises `EnvironmentProblemError` if there is no such command or it does not come back.
    """
    if shutil.which("docker") is None:
        raise EnvironmentProblemError("there is no docker command", "scripts/docker-setup, or use --runtime local")
    process = subprocess.Popen(
        ["docker", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=None if environment is None else dict(environment),
        cwd=directory,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        _end(process)
        raise EnvironmentProblemError(
            f"`docker {' '.join(arguments[:6])}` did not come back within {timeout_s:g} s", "is the engine stuck?"
        ) from error
    except BaseException:
        _end(process)
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def _end(process: subprocess.Popen[str]) -> None:
    """End the command and its plugins: a Compose that outlives it would go on creating containers."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_GRACE_S)
    process.communicate()


def engine_version() -> str:
    """The engine's version. Raises `EnvironmentProblemError`: no command, no permission, no engine, too old."""
    result = docker(["version", "--format", "{{.Server.Version}}"])
    version = result.stdout.strip()
    if result.returncode != 0 or not version:
        raise _engine_problem(result.stderr)
    if numbers(version) < MIN_ENGINE:
        raise EnvironmentProblemError(
            f"Docker Engine {version} is too old: {dotted(MIN_ENGINE)} is needed", "upgrade it, or use --runtime local"
        )
    return version


def compose_version() -> str:
    """Compose's version. Raises `EnvironmentProblemError` if it is missing or too old."""
    result = docker(["compose", "version", "--short"])
    version = result.stdout.strip()
    if result.returncode != 0 or not version:
        raise EnvironmentProblemError("the docker compose plugin is missing", "scripts/docker-setup installs it")
    if numbers(version) < MIN_COMPOSE:
        raise EnvironmentProblemError(
            f"Docker Compose {version} is too old: {dotted(MIN_COMPOSE)} is needed",
            "scripts/docker-setup, or upgrade it",
        )
    return version


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: `v2.26.1-4` → (2, 26, 1). Empty for what is none, which is older than all."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return tuple(map(int, found[1].split("."))) if found else ()


def dotted(version: tuple[int, ...]) -> str:
    """(2, 20) → `2.20`."""
    return ".".join(map(str, version))


def _engine_problem(stderr: str) -> EnvironmentProblemError:
    if "permission denied" in stderr.lower():
        return EnvironmentProblemError(
            "no permission to use the Docker engine",
            'sudo usermod -aG docker "$USER", then log in again; or use --runtime local',
        )
    reason = next((line.strip() for line in reversed(stderr.splitlines()) if line.strip()), "no reason given")
    return EnvironmentProblemError(
        f"no Docker engine answers ({reason})", "start it (systemctl start docker), or use --runtime local"
    )
