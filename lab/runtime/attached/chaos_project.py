"""Our chaos service and its reaper, as a compose project of their own beside the user's.

The services are those of our compose.yaml, with the user's networks in place of ours (docs/decisions/0054).
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...errors import EnvironmentProblemError
from ...output.atomic_write import write_atomically
from .. import ports
from ..docker_cli import docker
from ..docker_lab import COMPOSE_FILE, DOWN_WITHIN_S, HEALTHY_WITHIN_S, UP_WITHIN_S, up_problem
from ..docker_output import PROJECT_LABEL, SERVICE_LABEL, inspect, tail

SERVICES: Final = ("chaos", "reaper")
CHAOS_PORT: Final = 8082
HEAL_WITHIN_S: Final = 20
"""Seconds that the chaos service has to heal all faults when it is stopped."""
_TCP: Final = "tcp"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the chaos service has to know about the user's project."""

    project: str
    services: tuple[str, ...]
    port: int
    health: str
    """Path of the backends' health check, or `tcp`."""
    host: str
    """Host header of health checks; empty: the container's address."""
    balancer: str
    """Service of the balancer, or empty."""
    networks: tuple[str, ...]
    """Networks of the backends, which the chaos service joins to check faults."""

    def environment(self) -> dict[str, str]:
        """Return the environment of the chaos service."""
        health = {"CHAOS_HEALTH": _TCP} if self.health == _TCP else {"CHAOS_HEALTH_PATH": self.health}
        return {
            "CHAOS_PROJECT": self.project,
            "CHAOS_TARGETS": ",".join(self.services),
            "CHAOS_SERVICE_PORT": str(self.port),
            "CHAOS_BALANCER": self.balancer,
            "CHAOS_HEALTH_HOST": self.host,
            **health,
        }


def compose_document(ours: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Return the compose file of the chaos project, from our own in the form of `docker compose config`.

    The chaos service gets a port of the loopback interface that Docker chooses.
    """
    services = {}
    for name in SERVICES:
        service = copy.deepcopy(dict(ours["services"][name]))
        kept = {key: value for key, value in service["environment"].items() if key != "CHAOS_MISBEHAVE_TOKEN_DIR"}
        service["environment"] = {**kept, **settings.environment()}
        aliases = {"aliases": ["chaos-api"]} if name == "chaos" else None
        service["networks"] = {"control": aliases, **dict.fromkeys(settings.networks)}
        service["volumes"] = [each for each in service["volumes"] if each["target"] != "/misbehave"]
        service["stop_grace_period"] = f"{HEAL_WITHIN_S}s"
        service.pop("ports", None)
        dependencies = {key: value for key, value in service.pop("depends_on", {}).items() if key in SERVICES}
        services[name] = {**service, **({"depends_on": dependencies} if dependencies else {})}
    services["chaos"]["ports"] = [{"target": CHAOS_PORT, "host_ip": ports.LOOPBACK, "protocol": "tcp"}]
    external = {name: {"name": name, "external": True} for name in settings.networks}
    # Docker publishes ports through the first network in alphabetical order. The chaos API listens in this one only.
    control = {"name": f"0-reroute-attach-{settings.project}"}
    return {"services": services, "networks": {"control": control, **external}, "volumes": {"chaos-state": {}}}


class ChaosProject:
    """Starts, finds and removes the project. Its compose file is generated into `folder`."""

    def __init__(self, project: str, folder: Path, env_files: Iterable[Path]) -> None:
        self.name = f"reroute-attach-{project}"
        self._folder = folder
        self._env_files = [str(each) for each in env_files if each.is_file()]

    @property
    def file(self) -> Path:
        """The generated compose file."""
        return self._folder / f"{self.name}.json"

    def containers(self) -> list[dict[str, Any]]:
        """Return its containers, as `docker inspect` shows them."""
        found = docker(["ps", "--all", "--quiet", "--filter", f"label={PROJECT_LABEL}={self.name}"])
        if found.returncode != 0:
            raise EnvironmentProblemError("docker ps failed", "lab doctor", tail(found.stderr))
        return inspect(*found.stdout.split()) if found.stdout.split() else []

    def url(self) -> str:
        """Return the address of the running chaos service, or an empty string."""
        chaos = self._chaos()
        published = chaos["NetworkSettings"]["Ports"].get(f"{CHAOS_PORT}/tcp") if chaos else None
        return f"http://{ports.LOOPBACK}:{published[0]['HostPort']}" if published else ""

    def settings(self) -> dict[str, str]:
        """Return the environment variables of the running chaos service; empty if it does not run."""
        chaos = self._chaos()
        return dict(each.partition("=")[::2] for each in chaos["Config"]["Env"]) if chaos else {}

    def token(self) -> str:
        """Return the chaos service's token. Raise `EnvironmentProblemError` if it cannot be read."""
        chaos = self._chaos()
        result = docker(["exec", chaos["Id"] if chaos else self.name, "cat", "/state/token"])
        if result.returncode != 0 or not result.stdout.strip():
            raise EnvironmentProblemError(
                "the chaos service's token cannot be read", f"docker compose -p {self.name} logs", tail(result.stderr)
            )
        return result.stdout.strip()

    def _chaos(self) -> dict[str, Any] | None:
        for each in self.containers():
            if each["Config"]["Labels"].get(SERVICE_LABEL) == "chaos" and each["State"]["Running"]:
                return each
        return None

    def up(self, settings: Settings) -> None:
        """Build the image if needed and start both services. Raise `EnvironmentProblemError`."""
        shown = self._compose(COMPOSE_FILE, "config", "--format", "json")
        if shown.returncode != 0:
            raise up_problem(shown.stderr, "")
        self._write(compose_document(json.loads(shown.stdout), settings))
        started = self._compose(
            self.file, "up", "--build", "--detach", "--remove-orphans",
            "--wait", "--wait-timeout", f"{HEALTHY_WITHIN_S}", timeout_s=UP_WITHIN_S,
        )  # fmt: skip
        if started.returncode != 0:
            raise up_problem(started.stderr, self.logs(tail_lines=5))

    def down(self) -> None:
        """Remove containers, networks and volumes. Stopping the chaos service heals all faults.

        Compose always gets our own file: without one, it would read the user's in the working directory, and remove
        the volumes that it names.
        """
        if not self.file.is_file():
            self._write({"services": {name: {"image": name} for name in SERVICES}, "volumes": {"chaos-state": {}}})
        arguments = ("down", "--volumes", "--remove-orphans", "--timeout", str(HEAL_WITHIN_S))
        result = self._compose(self.file, *arguments, timeout_s=DOWN_WITHIN_S)
        if result.returncode != 0:
            raise EnvironmentProblemError(
                "docker compose down failed", f"docker compose -f {self.file} -p {self.name} down --volumes",
                tail(result.stderr),
            )  # fmt: skip
        self.file.unlink(missing_ok=True)

    def logs(self, tail_lines: int) -> str:
        """Return the last lines that its containers wrote."""
        logs = [docker(["logs", "--tail", str(tail_lines), each["Id"]], timeout_s=30) for each in self.containers()]
        return "\n".join(each.stdout + each.stderr for each in logs)

    def _write(self, document: Mapping[str, Any]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self.file, json.dumps(document, indent=2) + "\n")

    def _compose(self, file: Path, *arguments: str, timeout_s: float = 30.0) -> subprocess.CompletedProcess[str]:
        env_files = [word for each in self._env_files for word in ("--env-file", each)]
        command = ["compose", "--ansi", "never", "--progress", "plain", *env_files, "-f", str(file), "-p", self.name]
        return docker(
            [*command, *arguments], timeout_s=timeout_s, directory=COMPOSE_FILE.parent, environment=_without_project()
        )


def _without_project() -> dict[str, str]:
    """Return this process' environment without variables that name the user's project or files to Compose."""
    theirs = {"COMPOSE_PROJECT_NAME", "COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_ENV_FILES"}
    return {name: value for name, value in os.environ.items() if name not in theirs}
