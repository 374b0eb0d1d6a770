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
"""The first version with `!reset`, `include` and a reliable `up --wait`."""
QUICK_S: Final = 15.0
"""Time-out in seconds of calls that only query the engine."""
END_GRACE_S: Final = 5.0
"""Seconds between SIGTERM and SIGKILL for an interrupted command; Compose needs them to finish its current call."""


def docker(
    arguments: Sequence[str],
    *,
    timeout_s: float = QUICK_S,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `docker …` and return its result. Ctrl-C does not reach it: the caller decides what to undo.

    Raise `EnvironmentProblemError` if there is no docker command, or it does not return in time.
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
            f"`docker {' '.join(arguments[:6])}` did not return within {timeout_s:g} s", "is the engine stuck?"
        ) from error
    except BaseException:
        _end(process)
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def _end(process: subprocess.Popen[str]) -> None:
    """End the command and its plugins; otherwise Compose would continue to create containers."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_GRACE_S)
    process.communicate()


def engine_version() -> str:
    """Return the engine's version. Raise `EnvironmentProblemError`: no command, no permission, no engine, too old."""
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
    """Return Compose's version. Raise `EnvironmentProblemError` if it is missing or too old."""
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
    """Return the leading numbers of a version: `v2.26.1-4` → (2, 26, 1). Without any: empty, which counts as oldest."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return tuple(map(int, found[1].split("."))) if found else ()


def dotted(version: tuple[int, ...]) -> str:
    """Return (2, 20) as `2.20`."""
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
