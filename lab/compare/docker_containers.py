"""Reads the containers of a comparison from the Docker engine, among them the balancer of the current run."""

from __future__ import annotations

import contextlib
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..errors import EnvironmentProblemError
from ..processes.readiness import telling
from ..runtime.docker_cli import docker
from ..scenario.plan import Plan
from ..services.endpoints import Endpoints

PROJECT_LABEL: Final = "com.docker.compose.project"
_SERVICE_LABEL: Final = "com.docker.compose.service"
_LOG_READ: Final = 1000
"""Number of lines read from the end of a log, because an access log may be very long."""
_NUMBER_LABEL: Final = "com.docker.compose.container-number"
_ONEOFF_LABEL: Final = "com.docker.compose.oneoff"
_REPLACE_LABEL: Final = "com.docker.compose.replace"
_PORT_LABEL: Final = "reroute.port"
DEFAULT_PORT: Final = 8000
MOST_NUMBER: Final = 99_999
MOST_PORT: Final = 65_535


@dataclass(slots=True)
class DockerRunningBalancer:
    """A balancer that is a container."""

    endpoints: Endpoints
    project: str
    container: str
    given: Mapping[str, str]
    """Backend → address in the balancer's configuration."""

    def adapt(self, plan: Plan) -> Plan:
        """Return the plan unchanged: it is written for these backends."""
        return plan

    def ended(self) -> str:
        """Return how its container ended, or an empty string while it runs."""
        state = inspect(self.container)[0]["State"]
        return "" if state["Running"] else f"the balancer ended during the run, with code {state['ExitCode']}"

    def log_tail(self) -> tuple[str, ...]:
        """Return the last relevant lines of the container's log."""
        return log_tail(self.container)

    def address_change(self) -> str:
        """Return the backends whose address changed, or an empty string.

        A restarted container may get a different address, which a static configuration cannot follow.
        """
        now = backends(self.project)
        gone = [f"{name} from {old} to {now.get(name, 'nowhere')}" for name, old in self.given.items()
                if now.get(name) != old]  # fmt: skip
        return f"backends moved: {', '.join(gone)}" if gone else ""


def backends(project: str) -> dict[str, str]:
    """Return backend → address in the project's traffic network, with the names that the chaos service uses.

    A backend without an address is left out. The names follow the rule of `chaos.drivers.members`; a test compares
    both. Raise `EnvironmentProblemError` if two containers claim one name.
    """
    labels = [word for each in (f"{PROJECT_LABEL}={project}", f"{_SERVICE_LABEL}=api", f"{_ONEOFF_LABEL}=False")
              for word in ("--filter", f"label={each}")]  # fmt: skip
    found = docker(["ps", "--quiet", *labels]).stdout.split()
    claims: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in inspect(*found) if found else []:
        if number := _number(each["Config"]["Labels"].get(_NUMBER_LABEL, ""), MOST_NUMBER):
            claims[f"api-{number}"].append(each)
    order = sorted(claims, key=lambda name: int(name.removeprefix("api-")))
    current = {name: _current(name, claims[name]) for name in order}
    return {name: address for name, each in current.items() if (address := _address(each, networks(project)[0]))}


def _current(name: str, claims: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the running container, or, while Compose replaces a container, the new one."""
    replaced = {each["Config"]["Labels"].get(_REPLACE_LABEL) for each in claims}
    left = [each for each in claims if not replaced & {each["Id"], each["Name"].lstrip("/")}]
    if len(left) != 1:
        ids = " and ".join(sorted(each["Id"][:12] for each in claims))
        raise EnvironmentProblemError(f"{name} is the name of several containers: {ids}", "remove all but one")
    return left[0]


def _address(container: dict[str, Any], network: str) -> str:
    joined = container["NetworkSettings"]["Networks"].get(network, {})
    host = joined.get("IPAddress") or joined.get("GlobalIPv6Address")
    port = _number(container["Config"]["Labels"].get(_PORT_LABEL, ""), MOST_PORT) or DEFAULT_PORT
    return (f"[{host}]:{port}" if ":" in host else f"{host}:{port}") if host else ""


def _number(text: str, most: int) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,5}", text) and 1 <= int(text) <= most else None


def networks(project: str) -> tuple[str, str]:
    """Return the names that Compose gives the networks of compose.yaml: `traffic`, which is internal, and `control`."""
    return f"{project}_traffic", f"{project}_control"


def balancer_labels(project: str) -> tuple[str, ...]:
    """Return the labels with which `docker compose down` removes the balancer too.

    It does not get the label of the lab's members, because the chaos service would restart it.
    """
    labels = {
        PROJECT_LABEL: project, _SERVICE_LABEL: "balancer", _NUMBER_LABEL: "1", _ONEOFF_LABEL: "False",
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
    """Return the process id of the container's first process, or 0 if it does not run on this machine.

    In that case its CPU time is not measured.
    """
    (known,) = inspect(container)
    pid = int(known["State"]["Pid"])
    with contextlib.suppress(OSError):
        if known["Id"] in Path(f"/proc/{pid}/cgroup").read_text():
            return pid
    return 0
