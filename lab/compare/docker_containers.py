"""What the Docker engine says of the containers of one project, and the lab that stands there for one turn."""

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
from ..services.endpoints import Endpoints

PROJECT_LABEL: Final = "com.docker.compose.project"
_SERVICE_LABEL: Final = "com.docker.compose.service"
_LOG_READ: Final = 1000
"""Lines of the end of a log that are looked at; an access log may have any number."""
_NUMBER_LABEL: Final = "com.docker.compose.container-number"
_ONEOFF_LABEL: Final = "com.docker.compose.oneoff"
_REPLACE_LABEL: Final = "com.docker.compose.replace"
_PORT_LABEL: Final = "reroute.port"
DEFAULT_PORT: Final = 8000
MOST_NUMBER: Final = 99_999
MOST_PORT: Final = 65_535


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
    """Addresses in the project's traffic network, by the names that the chaos service uses (its rule is in
    `chaos.drivers.members`; a test holds the two together). One that has no address yet is left out.

    Raises `EnvironmentProblemError` where two containers claim one name.
    """
    labels = [word for each in (f"{PROJECT_LABEL}={project}", f"{_SERVICE_LABEL}=api", f"{_ONEOFF_LABEL}=False")
              for word in ("--filter", f"label={each}")]  # fmt: skip
    found = docker(["ps", "--quiet", *labels]).stdout.split()
    claims: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in inspect(*found) if found else []:
        if number := _number(each["Config"]["Labels"].get(_NUMBER_LABEL, ""), MOST_NUMBER):
            claims[f"api-{number}"].append(each)
    current = {name: _current(name, each) for name, each in sorted(claims.items())}
    return {name: address for name, each in current.items() if (address := _address(each, networks(project)[0]))}


def _current(name: str, claims: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the one that runs; while Compose re-creates a container, the one that replaces the other."""
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
    """Those of compose.yaml, as Compose names them: for traffic, which is internal, and for control."""
    return f"{project}_traffic", f"{project}_control"


def balancer_labels(project: str) -> tuple[str, ...]:
    """So that `docker compose down` takes the balancer along. It is no member: it shall not be started again."""
    labels = {
        PROJECT_LABEL: project, _SERVICE_LABEL: "balancer", _NUMBER_LABEL: "1", _ONEOFF_LABEL: "False",
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
