"""The runtime of an attached project: finds it, and starts and removes the chaos service beside it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from ...errors import BadArgumentsError, EnvironmentProblemError
from ...scenario.plan import Plan
from ...services.endpoints import Endpoints
from ...services.identification import Identification
from .. import Member, Say, ports
from ..docker_cli import compose_version, engine_version
from ..docker_lab import COMPOSE_FILE, uninterrupted
from ..docker_output import SERVICE_LABEL
from ..state_folder import state_root
from .adapted_plan import adapted
from .bounds import bounds_of_configuration
from .chaos_project import ChaosProject, Settings
from .lab_file import Found
from .their_project import Container, TheirProject

FOLDER: Final = "attached"


class AttachedRuntime:
    """One compose project of the user, which is never started, stopped or changed by this runtime."""

    name = "attached"

    def __init__(self, lab_file: Found) -> None:
        self._lab_file = lab_file
        self._content = lab_file.content
        self.theirs = TheirProject(lab_file)
        self._checked = False

    def find(self) -> Endpoints | None:
        """Return the lab if the project's backends and our chaos service run, or None."""
        self._check_docker()
        chaos = self._chaos
        url = chaos.url()
        if not url or not any(each.running for each in self._backends()):
            return None
        if self._started_differently(chaos):
            return None
        return self._endpoints(url, chaos.token())

    def up(self, say: Say) -> Endpoints:
        """Start the chaos service beside the running project. Raise `EnvironmentProblemError` if that does not run."""
        self._check_docker()
        backends = self.theirs.running(self._content.backends.services)
        for line in remarks(backends):
            say(line)
        if (running := self.find()) is not None:
            return running
        settings = self._settings(backends)
        say(f"docker compose up of the chaos service beside {self.theirs.name} (the first time, its image is built)")
        try:
            self._chaos.up(settings)
        except BaseException:
            with uninterrupted(), contextlib.suppress(EnvironmentProblemError):  # the first error says more
                self._chaos.down()
            raise
        return self._endpoints(self._chaos.url(), self._chaos.token())

    @contextlib.contextmanager
    def borrow(self, say: Say) -> Iterator[Endpoints]:
        """Yield the lab. Remove the chaos service afterwards if this call has started it."""
        if (running := self.find()) is not None:
            yield running
            return
        endpoints = self.up(say)
        try:
            yield endpoints
        finally:
            with uninterrupted():
                self._chaos.down()

    def down(self, say: Say) -> bool:
        """Remove the chaos service; the project keeps running. Return whether there was one."""
        self._check_docker()
        if not self._chaos.containers():
            return False
        say(f"docker compose down ({self._chaos.name}); {self.theirs.name} keeps running")
        self._chaos.down()
        return True

    def status(self) -> list[Member]:
        """Return the project's containers and ours; empty if there is no chaos service."""
        self._check_docker()
        ours = [_ours(each) for each in self._chaos.containers()]
        if not ours:
            return []
        backends = self._content.backends.services
        theirs = [
            Member(each.name, f"{each.service} (backend)" if each.service in backends else each.service,
                   "running" if each.running else "exited", " ".join(filter(None, each.networks.values())))
            for each in self.theirs.containers()
        ]  # fmt: skip
        return [*theirs, *ours]

    def logs(self, tail: int) -> str:
        """Return the last lines of our containers; those of the project are the user's."""
        return self._chaos.logs(tail)

    @property
    def _chaos(self) -> ChaosProject:
        env_files = (COMPOSE_FILE.with_name(".env"), self._lab_file.beside(".env"))
        return ChaosProject(self.theirs.name, state_root().absolute() / FOLDER, env_files)

    def _backends(self) -> list[Container]:
        return [each for each in self.theirs.containers() if each.service in self._content.backends.services]

    def adapt(self, plan: Plan) -> Plan:
        """Return the plan with the requests and expectations of the lab file."""
        return adapted(plan, self._content, bounds_of_configuration(self._lab_file))

    def _check_docker(self) -> None:
        if not self._checked:
            engine_version()
            compose_version()
            self._checked = True

    def _settings(self, backends: list[Container]) -> Settings:
        joined = {name for each in backends for name, address in each.networks.items() if address}
        return Settings(
            project=self.theirs.name,
            services=self._content.backends.services,
            port=self._content.backends.port,
            health=self._content.backends.health,
            host=self._content.host,
            balancer=self._content.balancer.service or "",
            networks=tuple(sorted(joined)),
        )

    def _started_differently(self, chaos: ChaosProject) -> bool:
        """Return whether the running chaos service was started for another lab file."""
        wanted = self._settings([each for each in self._backends() if each.running]).environment()
        has = chaos.settings()
        return any(has.get(name, "") != value for name, value in wanted.items())

    def entrance(self) -> Endpoints:
        """Return what is needed to send requests: the endpoints without a chaos service.

        Raise `BadArgumentsError` if requests would leave this machine and the project, or if a file is not valid.
        """
        return self._endpoints("", "")

    def _endpoints(self, chaos: str, token: str) -> Endpoints:
        content, balancer = self._content, self._content.balancer
        traffic, container = self._way_in()
        return Endpoints(
            traffic=traffic,
            admin="",
            chaos=chaos,
            chaos_token=token,
            runtime=self.name,
            balancer=balancer.program or balancer.service or self.theirs.name,
            host=content.host,
            identification=Identification.parse(content.identify),
            question=content.asked,
            question_statuses=content.good_statuses,
            names=content.names,
            ca_file=str(self._lab_file.beside(content.ca)) if content.ca else "",
            permitted=(container,) if container else (),
            bounds=bounds_of_configuration(self._lab_file),
        )

    def _way_in(self) -> tuple[str, str]:
        """Return the URL where requests enter, and the address of the container that it names; empty on loopback.

        Raise `BadArgumentsError` for any other host: the lab sends traffic nowhere else.
        """
        parts = urlsplit(self._content.traffic)
        host = parts.hostname or ""
        if ports.is_loopback(host):
            return self._content.traffic.rstrip("/"), ""
        if host not in self.theirs.services:
            raise BadArgumentsError(
                f"{self._lab_file.path}: traffic: {self._content.traffic} is neither on loopback nor a service of "
                f"{self.theirs.name}",
                f"http://127.0.0.1:PORT/ of a published port, or a service: {', '.join(self.theirs.services)}",
            )
        for each in self.theirs.running([host]):
            for address in filter(None, each.networks.values()):
                shown = f"[{address}]" if ":" in address else address
                port = f":{parts.port}" if parts.port else ""
                return f"{parts.scheme}://{shown}{port}{parts.path.rstrip('/')}", address
        raise EnvironmentProblemError(f"service {host} has no address", f"{self.theirs.command} ps")


def remarks(backends: list[Container]) -> Iterator[str]:
    """Yield what limits the faults that are possible on these containers."""
    for each in backends:
        if each.network_mode == "host":
            yield f"{each.name} uses the host's network: faults of its network are not possible, kill and pause are"
        elif each.isolated:
            yield f"{each.name} is in no network: faults of its network are not possible, kill and pause are"
    if len(backends) == 1:
        yield f"{backends[0].name} is the only backend: any fault on it is an outage, and needs `allow_last: true`"


def _ours(inspected: Mapping[str, Any]) -> Member:
    labels = inspected["Config"]["Labels"]
    return Member(inspected["Name"].lstrip("/"), labels[SERVICE_LABEL], inspected["State"]["Status"], "")
