"""Reads a user's compose project: its services, containers and networks. Changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from ...errors import BadArgumentsError, EnvironmentProblemError
from ..docker_cli import docker
from ..docker_output import PROJECT_LABEL, SERVICE_LABEL, inspect, parse_ps, tail
from .lab_file import Found

_FOLDER_LABEL: Final = "com.docker.compose.project.working_dir"
_NUMBER_LABEL: Final = "com.docker.compose.container-number"
_ONEOFF_LABEL: Final = "com.docker.compose.oneoff"


@dataclass(frozen=True, slots=True)
class Container:
    """A container of the project."""

    id: str
    service: str
    name: str
    target: str
    """Name under which it is faulted: `<service>-<number>`."""
    hostname: str
    running: bool
    networks: Mapping[str, str]
    """Name of each network that it is in → its address there; empty if it has none."""
    network_mode: str
    exposed: tuple[int, ...]
    """TCP ports that its image or compose file declares."""

    @property
    def isolated(self) -> bool:
        """Whether it has no network of its own that others can join, so that only its process can be faulted."""
        return not any(self.networks.values())


class TheirProject:
    """The compose project that a lab file names."""

    def __init__(self, lab_file: Found) -> None:
        self._lab_file = lab_file

    def compose(self, *arguments: str, timeout_s: float = 30.0) -> str:
        """Return the output of a Compose command on the project. Raise `BadArgumentsError` with Compose's words."""
        result = docker([*self._command, *arguments], timeout_s=timeout_s, directory=self._lab_file.path.parent)
        if result.returncode != 0:
            raise BadArgumentsError(
                f"{self.shown} cannot be used by docker compose", f"{self.command} config", tail(result.stderr)
            )
        return result.stdout

    @property
    def shown(self) -> str:
        """Names of the compose files."""
        return ", ".join(self._lab_file.content.compose)

    @property
    def command(self) -> str:
        """The beginning of a Compose command on the project, for people."""
        return " ".join(["docker", *self._command])

    @property
    def _command(self) -> list[str]:
        content = self._lab_file.content
        files = [word for name in content.compose for word in ("-f", str(self._lab_file.beside(name)))]
        return ["compose", *files, *(["-p", content.project] if content.project else [])]

    @cached_property
    def _config(self) -> dict[str, Any]:
        for name in self._lab_file.content.compose:
            if not self._lab_file.beside(name).is_file():
                raise BadArgumentsError(f"{self._lab_file.beside(name)}: there is no such file", "--compose FILE")
        return dict(json.loads(self.compose("config", "--format", "json")))

    @property
    def name(self) -> str:
        """Name of the project."""
        return str(self._config["name"])

    @property
    def services(self) -> tuple[str, ...]:
        """Services in the compose files."""
        return tuple(self._config.get("services") or {})

    def check_services(self, wanted: Iterable[str]) -> None:
        """Raise `BadArgumentsError` for a service that the compose files do not have."""
        for service in wanted:
            if service not in self.services:
                raise BadArgumentsError(
                    f"{self.shown} has no service {service!r}", f"its services are {', '.join(self.services)}"
                )

    def containers(self) -> list[Container]:
        """Return all containers of the project, without those of `docker compose run`.

        Raise `EnvironmentProblemError` if another project has the same name.
        """
        labels = [word for label in (f"{PROJECT_LABEL}={self.name}", f"{_ONEOFF_LABEL}=False")
                  for word in ("--filter", f"label={label}")]  # fmt: skip
        shown = docker(["ps", "--all", "--quiet", "--no-trunc", *labels])
        if shown.returncode != 0:
            raise EnvironmentProblemError("docker ps failed", "lab doctor", tail(shown.stderr))
        found = inspect(*ids) if (ids := shown.stdout.split()) else []
        self._refuse_other_folders({each["Config"]["Labels"].get(_FOLDER_LABEL, "") for each in found})
        return sorted(map(_container, found), key=lambda each: each.name)

    def _refuse_other_folders(self, folders: set[str]) -> None:
        """Raise `EnvironmentProblemError` if containers were started from a folder other than that of our files."""
        own = self._lab_file.beside(self._lab_file.content.compose[0]).resolve().parent
        if others := sorted(each for each in folders if Path(each).resolve() != own):
            raise EnvironmentProblemError(
                f"a project called {self.name} runs from {' and '.join(others)}, but {self.shown} is in {own}",
                "end the other project, or give one of them another name (`name:` in its compose file)",
            )

    def running(self, services: Iterable[str]) -> list[Container]:
        """Return the running containers of these services. Raise `EnvironmentProblemError` if one has none."""
        wanted = tuple(services)
        self.check_services(wanted)
        found = [each for each in self.containers() if each.service in wanted and each.running]
        if idle := [service for service in wanted if service not in {each.service for each in found}]:
            raise EnvironmentProblemError(
                f"no container of {', '.join(idle)} runs in project {self.name}", f"{self.command} up --detach --wait"
            )
        return found

    def published(self) -> dict[str, list[tuple[str, int, int]]]:
        """Return the published TCP ports of each service: address on the host, port there, port in the container."""
        rows = parse_ps(self.compose("ps", "--all", "--format", "json"))
        found: dict[str, list[tuple[str, int, int]]] = {}
        for row in rows:
            for each in row.get("Publishers") or []:
                if each["PublishedPort"] and each.get("Protocol", "tcp") == "tcp":
                    found.setdefault(row["Service"], []).append(
                        (each["URL"], each["PublishedPort"], each["TargetPort"])
                    )
        return found


def _container(inspected: Mapping[str, Any]) -> Container:
    labels = inspected["Config"]["Labels"]
    exposed = [port.partition("/") for port in inspected["Config"].get("ExposedPorts") or {}]
    networks = inspected["NetworkSettings"]["Networks"]
    return Container(
        id=inspected["Id"],
        service=labels[SERVICE_LABEL],
        name=inspected["Name"].lstrip("/"),
        target=f"{labels[SERVICE_LABEL]}-{labels.get(_NUMBER_LABEL, '1')}",
        hostname=inspected["Config"]["Hostname"],
        running=inspected["State"]["Running"],
        networks={
            name: each.get("IPAddress") or each.get("GlobalIPv6Address") or "" for name, each in networks.items()
        },
        network_mode=inspected["HostConfig"]["NetworkMode"],
        exposed=tuple(sorted(int(number) for number, _, protocol in exposed if protocol in {"", "tcp"})),
    )
