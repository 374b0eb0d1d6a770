"""The containers of a comparison as the Docker engine reports them, and the balancer of one run among them."""

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
"""Lines at the end of a log that are read; an access log may have any number."""
_NUMBER_LABEL: Final = "com.docker.compose.container-number"


@dataclass(slots=True)
class DockerRunningBalancer:
    """A balancer that is a container."""

    endpoints: Endpoints
    project: str
    container: str
    given: Mapping[str, str]
    """Backend → address in the balancer's configuration."""

    def ended(self) -> str:
        """Return how its container ended."""
        state = inspect(self.container)[0]["State"]
        return "" if state["Running"] else f"the balancer ended during the run, with code {state['ExitCode']}"

    def log_tail(self) -> tuple[str, ...]:
        """Return the last relevant lines of the container's log."""
        return log_tail(self.container)

    def address_change(self) -> str:
        """Return the backends whose address changed: a restarted container may get a different one, which a static
        configuration cannot follow."""
        now = backends(self.project)
        gone = [f"{name} from {old} to {now.get(name, 'nowhere')}" for name, old in self.given.items()
                if now.get(name) != old]  # fmt: skip
        return f"backends moved: {', '.join(gone)}" if gone else ""


def backends(project: str) -> dict[str, str]:
    """Return backend → address in the project's network, with the names that the chaos service uses."""
    labels = [word for each in (f"{PROJECT_LABEL}={project}", f"{_SERVICE_LABEL}=api")
              for word in ("--filter", f"label={each}")]  # fmt: skip
    found = docker(["ps", "--quiet", *labels]).stdout.split()
    named = {}
    for each in inspect(*found) if found else []:
        address = each["NetworkSettings"]["Networks"][network(project)]["IPAddress"]
        named[f"api-{each['Config']['Labels'][_NUMBER_LABEL]}"] = f"{address}:8000"
    return dict(sorted(named.items()))


def network(project: str) -> str:
    """Return the name that Compose gives the project's network."""
    return f"{project}_default"


def balancer_labels(project: str) -> tuple[str, ...]:
    """Return the labels with which `docker compose down` removes the balancer too.

    It does not get the label of the lab's members, because the chaos service would restart it.
    """
    labels = {
        PROJECT_LABEL: project, _SERVICE_LABEL: "balancer", _NUMBER_LABEL: "1", "com.docker.compose.oneoff": "False",
    }  # fmt: skip
    return tuple(word for name, value in labels.items() for word in ("--label", f"{name}={value}"))


def inspect(*containers: str) -> list[dict[str, Any]]:
    """Return the output of `docker inspect`. Raise `EnvironmentProblemError`."""
    found = docker(["inspect", *containers])
    if found.returncode != 0:
        raise EnvironmentProblemError(f"docker inspect failed: {found.stderr.strip()}", "lab doctor")
    return list(json.loads(found.stdout))


def log_tail(container: str) -> tuple[str, ...]:
    """Return the last relevant lines of the container's log."""
    log = docker(["logs", "--tail", str(_LOG_READ), container])
    return telling((log.stdout + log.stderr).splitlines())


def first_process(container: str) -> int:
    """Return the process id of the container's first process, or 0 if it is not on this machine.

    Its CPU time is then not measured.
    """
    (known,) = inspect(container)
    pid = int(known["State"]["Pid"])
    with contextlib.suppress(OSError):
        if known["Id"] in Path(f"/proc/{pid}/cgroup").read_text():
            return pid
    return 0
