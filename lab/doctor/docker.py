"""What runtime docker needs: engine, Compose, buildx, and a base image."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..errors import EnvironmentProblemError
from ..runtime.docker_cli import compose_version, docker, engine_version
from ..runtime.docker_lab import COMPOSE_FILE
from ..runtime.selection import RuntimeName
from .findings import Finding, good, less, missing

ENV_FILE = COMPOSE_FILE.with_name(".env")
DEFAULT_BASE = "python:3.13-slim"
REGISTRY_WITHIN_S = 10.0
IN_CONTAINERS = (RuntimeName.DOCKER, RuntimeName.ATTACHED)
COSTS = "no runtime docker; runtime local works without"


def docker_findings() -> list[Finding]:
    """Return the findings of this module; checks that need the engine are skipped if none responds."""
    try:
        engine = good("Docker engine", engine_version())
    except EnvironmentProblemError as error:
        return [missing("Docker engine", str(error), COSTS, error.next_step, IN_CONTAINERS)]
    return [engine, compose(), buildx(), base_image()]


def compose() -> Finding:
    """Check the Compose plugin and its version."""
    try:
        return good("Docker Compose", compose_version())
    except EnvironmentProblemError as error:
        return missing("Docker Compose", str(error), COSTS, error.next_step, IN_CONTAINERS)


def buildx() -> Finding:
    """Check the buildx plugin, which newer versions of Compose need for building."""
    try:
        result = docker(["buildx", "version"])
    except EnvironmentProblemError as error:
        return less("Docker buildx", str(error), "images may not build")
    if result.returncode == 0:
        return good("Docker buildx", next(iter(result.stdout.split()[1:2]), "found"))
    return less("Docker buildx", "not installed", "newer versions of Compose cannot build", "scripts/docker-setup")


def base_image() -> Finding:
    """Check that the base image of all images exists locally or in its registry."""
    image = configured_base()
    try:
        if docker(["image", "inspect", image]).returncode == 0:
            return good("base image", f"{image} is local")
        # Requests only the manifest; no layer is downloaded.
        if docker(["manifest", "inspect", image], timeout_s=REGISTRY_WITHIN_S).returncode == 0:
            return good("base image", f"{image} is in its registry")
    except EnvironmentProblemError:
        pass
    costs = "images cannot be built"
    own = COMPOSE_FILE.with_name("Makefile").exists()  # a clone, not an installed wheel
    mend = "make base-image" if own else "set BASE_IMAGE to an image with Debian and Python 3.11 or newer"
    return missing("base image", f"{image} is neither local nor in a registry", costs, mend, IN_CONTAINERS)


def configured_base(env_file: Path = ENV_FILE) -> str:
    """Return BASE_IMAGE as Compose resolves it: environment, then `.env`, then the default."""
    if image := os.environ.get("BASE_IMAGE"):
        return image
    try:
        found = re.search(r"^BASE_IMAGE=(\S+)$", env_file.read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else DEFAULT_BASE
