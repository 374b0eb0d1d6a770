"""Finds the targets and members of a lab among the containers of its compose project."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from ..errors import AlreadyAttachedError, RuntimeUnavailableError, TargetGoneError
from ..inputs.settings import RuntimeName, Settings
from ..links.impairment import Effect
from . import container_networks, peers
from .docker_client import DockerClient
from .docker_socket import socket_is_dead
from .docker_targets import DockerTarget, Lab, environment
from .members import ALIVE, SERVICE_LABEL, Members
from .netns_helper import NetnsHelpers
from .probe import Health
from .targets import Capability, Target

ALLOW_LABEL = "reroute.chaos=allow"
MEMBER_LABEL = "reroute.member"
PROJECT_LABEL = "com.docker.compose.project"
GRACEFUL_EXITS = (0, 143)
"""Exit codes of a container that was stopped on purpose: 0, and 128 + SIGTERM."""
CHAOS_ROLE = "chaos"
OWN_ROLES = frozenset({CHAOS_ROLE, "reaper"})


class DockerRuntime:
    """A lab whose members are the containers of one compose project.

    Its targets are the containers that carry a label, or those of the services in CHAOS_TARGETS. In the second case the
    project is *foreign*: it knows nothing of this service, which belongs to a compose project of its own.
    """

    name: RuntimeName = "docker"

    def __init__(self, settings: Settings) -> None:
        self._client = DockerClient()
        self._settings = settings
        self._project_name = settings.project
        self._own_project_name = settings.own_project
        self.foreign = bool(settings.targets)
        self.orders = not self.foreign or settings.has_order_token
        self._lab = Lab(
            self._members,
            self._networks,
            settings.order_token,
            Health(settings.health_path, settings.health_host, tcp=settings.health == "tcp"),
            settings.balancer or ("" if self.foreign else peers.BALANCER_ROLE),
            foreign=self.foreign,
        )
        self._identity, self._pair = Members(), Members()
        self._seen: set[str] = set()
        """Ids of the members that this process has seen running. The keeper restarts only these."""
        self._disputed: Mapping[str, str] = {}
        self._helpers = NetnsHelpers(self._client, settings.helper_image, settings.container)

    async def targets(self, *, all_roles: bool = False) -> Sequence[Target]:
        members, refused = await self._current(MEMBER_LABEL if all_roles else ALLOW_LABEL)
        if not all_roles:
            await self._check_alone()
            self._disputed = {
                name: f"{name} is the name of several containers: {' and '.join(ids)}; remove all but one"
                for name, ids in refused.items()
            }
        return sorted(map(self._target, members), key=attrgetter("name"))

    def disputed(self) -> Mapping[str, str]:
        return self._disputed

    async def recall(self, name: str, undo: Mapping[str, Any]) -> Target:
        """Return the target of a journaled fault.

        Raise TargetGoneError if the container does not exist, is down and replaced by another one, or no longer carries
        this lab's labels.
        """
        labels = [] if self.foreign else [ALLOW_LABEL]
        found = await self._client.containers(await self._project(), *labels)
        current = {self._identity.name(each): each["Id"] for each in self._identity.current(found)[0]}
        for summary in found:
            newest = current.get(self._identity.name(summary), summary["Id"])
            if summary["Id"] == undo.get("container") and (summary["State"] in ALIVE or summary["Id"] == newest):
                return self._target(summary, {key: value for key, value in undo.items() if key != "container"})
        # The helper would keep the network namespace of the removed container alive until the helper's own deadline.
        await self._helpers.abandon(str(undo.get("container")))
        raise TargetGoneError(f"{name}: its container is gone")

    async def sweep(self, owed: Collection[Mapping[str, Any]]) -> None:
        await self._helpers.sweep({str(undo.get("container")) for undo in owed})

    async def link_capability(self, effect: Effect) -> Capability:
        return await self._helpers.capability(effect)

    async def obstacle(self) -> str:
        if not self.foreign:
            return ""
        project = self._project_name
        present = set(map(self._identity.service, await self._client.containers(await self._project()))) - {""}
        if not present:
            return f"compose project {project!r} has no containers on this host: start it, or correct CHAOS_PROJECT"
        missing = " and ".join(repr(each) for each in self._settings.targets if each not in present)
        known = ", ".join(sorted(present))
        return missing and f"compose project {project!r} has no container of service {missing}; its services: {known}"

    async def crashed(self) -> Sequence[DockerTarget]:
        """Return members of any role that crashed, except this chaos service.

        Of a foreign project nothing is restarted; only this service and its reaper restart each other.
        """
        if self.foreign:
            own = await self._client.containers(f"{PROJECT_LABEL}={await self._own_project()}")
            members = [each for each in self._pair.current(own)[0] if each["Labels"][SERVICE_LABEL] in OWN_ROLES]
        else:
            members, _ = await self._current(MEMBER_LABEL)
        exited = [each for each in members if each["State"] == "exited" and self._may_start(each)]
        states = await asyncio.gather(*(self._client.inspect(summary["Id"]) for summary in exited))
        return [
            self._target(summary)
            for summary, inspected in zip(exited, states, strict=True)
            if inspected["State"]["ExitCode"] not in GRACEFUL_EXITS and not inspected["State"]["Running"]
        ]

    def lost(self) -> str:
        return "the Docker daemon replaced its socket, and the one mounted here is dead" if socket_is_dead() else ""

    async def close(self) -> None:
        self._client.close()

    async def _current(self, label: str) -> tuple[list[Mapping[str, Any]], dict[str, list[str]]]:
        """Return the members with the label, or what stands in for it in a foreign project, and refused names."""
        labels = [] if self.foreign else [label]
        members, refused = self._identity.current(await self._client.containers(await self._project(), *labels))
        if self.foreign and label == ALLOW_LABEL:
            wanted = self._settings.targets
            members = [each for each in members if self._identity.service(each) in wanted]
            refused = {name: ids for name, ids in refused.items() if name.rpartition("-")[0] in wanted}
        elif self.foreign:
            members = [each for each in members if each["State"] in ALIVE]
        self._seen |= {each["Id"] for each in members if each["State"] in ALIVE}
        return members, refused

    def _may_start(self, summary: Mapping[str, Any]) -> bool:
        """Return False for a member that was already down when this process started.

        The chaos service and its reaper are excepted: they always restart each other.
        """
        return summary["Id"] in self._seen or summary["Labels"].get(SERVICE_LABEL) in OWN_ROLES

    async def _project(self) -> str:
        """Return the label of the targets' compose project."""
        self._project_name = self._project_name or await self._project_of_this("CHAOS_PROJECT")
        return f"{PROJECT_LABEL}={self._project_name}"

    async def _own_project(self) -> str:
        self._own_project_name = self._own_project_name or await self._project_of_this("CHAOS_OWN_PROJECT")
        return self._own_project_name

    async def _project_of_this(self, variable: str) -> str:
        own = await self._client.inspect(self._settings.container)
        if name := own["Config"]["Labels"].get(PROJECT_LABEL, ""):
            return str(name)
        raise RuntimeUnavailableError(f"set {variable}: this container does not belong to a compose project")

    async def _check_alone(self) -> None:
        """Raise AlreadyAttachedError if another chaos service was started earlier for this foreign project.

        Two would undo each other's faults and count the healthy backends without each other.
        """
        if not self.foreign:
            return
        found = await self._client.containers(f"{SERVICE_LABEL}={CHAOS_ROLE}")
        inspected = [await self._inspected(each["Id"]) for each in found if each["State"] in ALIVE]
        own = await self._inspected(self._settings.container)
        for other in filter(None, inspected):
            if _faulted_project(other) == self._project_name and (own is None or _started(other) < _started(own)):
                theirs = other["Config"]["Labels"].get(PROJECT_LABEL, "")
                raise AlreadyAttachedError(
                    f"the chaos service {other['Name'].lstrip('/')} already injects faults into compose project "
                    f"{self._project_name!r}; this one waits until that one ends (docker compose -p {theirs} down)"
                )

    async def _inspected(self, container: str) -> Mapping[str, Any] | None:
        try:
            return await self._client.inspect(container)
        except TargetGoneError:
            return None

    async def _networks(self) -> Collection[str] | None:
        own = await self._inspected(self._settings.container)
        return None if own is None else container_networks.own_networks(own)

    def _target(self, summary: Mapping[str, Any], kept: Mapping[str, Any] | None = None) -> DockerTarget:
        name = self._identity.name(summary) or str(summary["Id"])[:12]
        default = self._settings.targets.get(self._identity.service(summary)) or self._settings.service_port
        port = self._identity.port(summary, default)
        target = DockerTarget(self._client, self._helpers, summary, name, port, self._lab)
        target.keep(kept or {})
        return target

    async def _members(self) -> Mapping[str, Mapping[str, Any]]:
        return {self._identity.name(each): each for each in (await self._current(MEMBER_LABEL))[0]}


def _faulted_project(inspected: Mapping[str, Any]) -> str:
    """Return the compose project in which this chaos service looks for targets."""
    return environment(inspected).get("CHAOS_PROJECT") or str(inspected["Config"]["Labels"].get(PROJECT_LABEL, ""))


def _started(inspected: Mapping[str, Any]) -> tuple[datetime, str]:
    """Return when the container was started; never the same for two."""
    return datetime.fromisoformat(inspected["State"]["StartedAt"]), inspected["Id"]
