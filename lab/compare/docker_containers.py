"""What the Docker engine says of the containers of one project, and the lab that stands there for one turn."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..errors import EnvironmentProblemError
from ..processes.readiness import telling
from ..runtime.docker_cli import docker
from ..services.endpoints import Endpoints

PROJECT_LABEL: Final = "com.docker.compose.project"
_SERVICE_LABEL: Final = "com.docker.compose.service"
_LOG_READ: Final = 1000
"""Lines of the end of a log that are looked at; an access log may have any number."""
_NUMBER_LABEL: Final = "com.docker.compose.container-number"


@dataclass(slots=True)
class DockerStanding:
    """The balancer is a container."""

    endpoints: Endpoints
    project: str
    container: str
    given: Mapping[str, str]
    """The backends' addresses, as its configuration has them."""

    def ended(self) -> str:
        """Its container does not run."""
        state = inspect(self.container)[0]["State"]
        return "" if state["Running"] else f"the balancer ended in mid-run, with code {state['ExitCode']}"

    def last_words(self) -> tuple[str, ...]:
        """What its container wrote."""
        return last_words(self.container)

    def moved(self) -> str:
        """A container that was started again may get another address, which a static configuration cannot follow."""
        now = backends(self.project)
        gone = [f"{name} from {old} to {now.get(name, 'nowhere')}" for name, old in self.given.items()
                if now.get(name) != old]  # fmt: skip
        return f"backends moved: {', '.join(gone)}" if gone else ""


def backends(project: str) -> dict[str, str]:
    """Addresses in the project's network, by the names that the chaos service uses."""
    labels = [word for each in (f"{PROJECT_LABEL}={project}", f"{_SERVICE_LABEL}=api")
              for word in ("--filter", f"label={each}")]  # fmt: skip
    found = docker(["ps", "--quiet", *labels]).stdout.split()
    named = {}
    for each in inspect(*found) if found else []:
        address = each["NetworkSettings"]["Networks"][network(project)]["IPAddress"]
        named[f"api-{each['Config']['Labels'][_NUMBER_LABEL]}"] = f"{address}:8000"
    return dict(sorted(named.items()))


def network(project: str) -> str:
    """The project's network, as Compose names it."""
    return f"{project}_default"


def balancer_labels(project: str) -> tuple[str, ...]:
    """So that `docker compose down` takes the balancer along. It is no member: it shall not be started again."""
    labels = {
        PROJECT_LABEL: project, _SERVICE_LABEL: "balancer", _NUMBER_LABEL: "1", "com.docker.compose.oneoff": "False",
    }  # fmt: skip
    return tuple(word for name, value in labels.items() for word in ("--label", f"{name}={value}"))


def inspect(*containers: str) -> list[dict[str, Any]]:
    """All that the engine knows of them. Raises `EnvironmentProblemError`."""
    found = docker(["inspect", *containers])
    if found.returncode != 0:
        raise EnvironmentProblemError(f"docker inspect failed: {found.stderr.strip()}", "lab doctor")
    return list(json.loads(found.stdout))


def last_words(container: str) -> tuple[str, ...]:
    """The end of its log."""
    said = docker(["logs", "--tail", str(_LOG_READ), container])
    return telling((said.stdout + said.stderr).splitlines())


def first_process(container: str) -> int:
    """The container's first process, where it is one of this machine's; else 0, and its CPU is not measured."""
    (known,) = inspect(container)
    pid = int(known["State"]["Pid"])
    with contextlib.suppress(OSError):
        if known["Id"] in Path(f"/proc/{pid}/cgroup").read_text():
            return pid
    return 0
