"""Targets that are containers of this compose project. Only this module and `container_limits` import `docker`.

The SDK blocks, so every call runs in a thread, with the client's time-out; its exceptions are translated here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from typing import Any, TypeVar

import docker
import docker.errors

from ..errors import (
    AlreadyAttachedError,
    BadRequestError,
    NoAddressError,
    NotPossibleError,
    RuntimeUnavailableError,
    TargetGoneError,
)
from ..inputs.settings import RuntimeName, Settings
from ..links.impairment import Effect, Impairment
from . import container_limits, container_networks, peers
from .docker_socket import socket_is_dead
from .members import ALIVE, SERVICE_LABEL, Members
from .netns_helper import NetnsHelpers
from .probe import Address, Health, host_port
from .targets import Capability, Injection, MemoryUse, ReadBack, Running, Target, TargetInfo

ALLOW_LABEL = "reroute.chaos=allow"
MEMBER_LABEL = "reroute.member"
PROJECT_LABEL = "com.docker.compose.project"
GRACEFUL_EXITS = (0, 143)
"""Exit codes of a container that was stopped on purpose: 0, and 128 + SIGTERM."""
TIMEOUT_S = 10
STOP_GRACE_S = 10
CHAOS_ROLE = "chaos"
OWN_ROLES = frozenset({CHAOS_ROLE, "reaper"})
T = TypeVar("T")


class DockerClient:
    """Calls Docker's SDK, which blocks, in threads."""

    def __init__(self) -> None:
        self._sdk: docker.DockerClient | None = None

    async def call(self, function: Callable[[docker.DockerClient], T]) -> T:
        """Call `function` with the SDK client in a thread.

        Raise TargetGoneError if the container does not exist, RuntimeUnavailableError for any other error of Docker.
        """
        return await asyncio.to_thread(self._translated, function)

    async def inspect(self, container: str) -> dict[str, Any]:
        """Return the output of `docker inspect` for this container."""
        return dict(await self.call(lambda sdk: sdk.api.inspect_container(container)))

    async def containers(self, *labels: str) -> list[dict[str, Any]]:
        """Return summaries of all containers, running or not, that carry all `labels`."""
        filters = {"label": list(labels)}
        return list(await self.call(lambda sdk: sdk.api.containers(all=True, filters=filters)))

    def close(self) -> None:
        """Close the connections to Docker."""
        if self._sdk is not None:
            self._sdk.close()

    def _translated(self, function: Callable[[docker.DockerClient], T]) -> T:
        try:
            if self._sdk is None:
                self._sdk = docker.from_env(timeout=TIMEOUT_S)
            return function(self._sdk)
        except docker.errors.NotFound as error:
            raise TargetGoneError(str(error.explanation or error)) from error
        except docker.errors.APIError as error:
            raise RuntimeUnavailableError(f"docker: {error.explanation or error}") from error
        except (docker.errors.DockerException, OSError) as error:  # requests' exceptions are OSErrors
            raise RuntimeUnavailableError(f"docker: {error}") from error


@dataclass(frozen=True, slots=True)
class Lab:
    """What all targets of one chaos service have in common."""

    members: Callable[[], Awaitable[Mapping[str, Mapping[str, Any]]]]
    """Return the members by name, as Docker summarizes them."""
    networks: Callable[[], Awaitable[Collection[str] | None]]
    """Return the networks from which probes are sent; None: all."""
    order_token: Callable[[str], str]
    health: Health
    balancer_role: str
    foreign: bool


class DockerTarget:
    """One container, identified by its id: a container re-created under the same name is another target."""

    def __init__(
        self,
        client: DockerClient,
        helpers: NetnsHelpers,
        summary: Mapping[str, Any],
        name: str,
        port: int,
        lab: Lab,
    ) -> None:
        labels = summary["Labels"] or {}
        self.id: str = summary["Id"]
        self.labels: Mapping[str, str] = labels
        self.role: str = labels.get(SERVICE_LABEL, "")
        self.name = name
        self.port = port
        self._client = client
        self._helpers = helpers
        self._lab = lab
        self.order_token = lab.order_token
        self.foreign = lab.foreign
        self._kept: Mapping[str, Any] = {}

    @property
    def undo(self) -> dict[str, Any]:
        return {"container": self.id, **self._kept}

    async def info(self) -> TargetInfo:
        inspected = await self._client.inspect(self.id)
        return TargetInfo(
            name=self.name,
            role=self.role,
            state=inspected["State"]["Status"],
            instance=_instance(inspected),
            addresses=[host_port(each, self.port) for each in container_networks.ips(inspected)],
        )

    async def running(self) -> Running:
        return _running(await self._client.inspect(self.id))

    async def incarnation(self) -> str:
        return f"started {(await self._client.inspect(self.id))['State']['StartedAt']}"

    async def address(self) -> Address:
        """Return the current address in a network of the chaos service.

        It is looked up each time, because a restart can change it. Raise NoAddressError with the reason if it has none.
        """
        inspected, within = await asyncio.gather(self._client.inspect(self.id), self._lab.networks())
        for ip in container_networks.ips(inspected, within):
            return Address(ip, self.port, self._lab.health)
        raise NoAddressError(f"{self.name} {container_networks.why_no_address(inspected, within)}")

    async def dependents(self) -> list[str]:
        shared = f"container:{self.id}"
        return [
            name for name, each in (await self._lab.members()).items() if each["HostConfig"]["NetworkMode"] == shared
        ]

    async def kill(self) -> Injection:
        called = time.monotonic()
        await self._client.call(lambda sdk: sdk.api.kill(self.id, "SIGKILL"))
        returned = time.monotonic()
        # The call returns only when Docker has removed the network endpoint, tenths of a second after the process
        # ended.
        finished = _finished_mono(await self._client.inspect(self.id))
        return Injection(min(max(called, finished), returned), "SIGKILL")

    async def stop(self) -> Injection:
        called = time.monotonic()
        await self._client.call(lambda sdk: sdk.api.stop(self.id, timeout=STOP_GRACE_S))
        return Injection(called, "SIGTERM")

    async def pause(self) -> Injection:
        await self._client.call(lambda sdk: sdk.api.pause(self.id))
        return Injection(time.monotonic(), "freezer")

    async def ensure_running(self) -> None:
        match await self.running():
            case Running.PAUSED:
                await self._client.call(lambda sdk: sdk.api.unpause(self.id))
            case Running.EXITED:
                await self._client.call(lambda sdk: sdk.api.start(self.id))

    def keep(self, kept: Mapping[str, Any]) -> None:
        """Store the settings that were read before the fault, so that the heal can restore them."""
        self._kept = kept

    async def remember(self) -> None:
        inspected = await self._client.inspect(self.id)
        self._kept = container_limits.kept(inspected)

    async def preview_mechanism(self, impairment: Impairment) -> str:
        """Return the mechanism that `impair` would use.

        Raise BadRequestError if a peer is no member of the lab or only the target itself, NotPossibleError if this host
        has no mechanism.
        """
        if set(impairment.peers) == {self.name}:
            raise BadRequestError(
                f"params.peer: {self.name} is the target itself, and traffic to itself never leaves it"
            )
        return await self._helpers.mechanism(await self._resolved(impairment))

    async def impair(self, impairment: Impairment) -> Injection:
        return await self._helpers.impair(self.id, await self._resolved(impairment))

    async def clear(self, kind: str) -> None:
        # The network namespace of an exited container no longer exists, and neither do the rules in it.
        exists = await self.running() in (Running.RUNNING, Running.PAUSED)
        await self._helpers.clear(self.id, kind, namespace_exists=exists)

    async def read_back(self) -> ReadBack:
        return await self._helpers.read_back(self.id)

    async def disconnect(self) -> Injection:
        if reason := container_networks.why_no_link(await self._client.inspect(self.id)):
            raise NotPossibleError(f"{self.name} {reason}")
        names = await self.networks()
        await self._client.call(lambda sdk: container_limits.disconnect(sdk, self.id, names))
        return Injection(time.monotonic(), container_limits.MECHANISMS["disconnect"])

    async def networks(self) -> list[str]:
        return sorted((await self._client.inspect(self.id))["NetworkSettings"]["Networks"])

    async def reconnect(self) -> None:
        present = await self.networks()
        missing = {name: kept for name, kept in self._kept.get("networks", {}).items() if name not in present}
        await self._client.call(lambda sdk: container_limits.connect(sdk, self.id, missing))

    async def limit_cpu(self, share: float, duration_s: float) -> Injection:
        await self._client.call(lambda sdk: container_limits.set_cpu(sdk, self.id, share, self._kept))
        return Injection(time.monotonic(), container_limits.MECHANISMS["cpu"])

    async def cpu_share(self) -> float | None:
        return container_limits.cpu_share(await self._client.inspect(self.id))

    async def free_cpu(self) -> None:
        await self._client.call(lambda sdk: container_limits.restore_cpu(sdk, self.id, self._kept))

    def check_memory(self, limit: int) -> None:
        if not self._kept.get("memory"):
            raise NotPossibleError(
                f"{self.name} has no memory limit, and Docker could not remove the one that this fault would set"
            )
        if limit >= self._kept["memory"]:
            raise BadRequestError(f"params.limit: {self.name} already has a limit of {self._kept['memory']} bytes")

    async def limit_memory(self, limit: int) -> Injection:
        await self._client.call(lambda sdk: sdk.api.update_container(self.id, mem_limit=limit, memswap_limit=limit))
        return Injection(time.monotonic(), container_limits.MECHANISMS["memory"])

    async def memory(self) -> MemoryUse:
        said = await self._client.call(lambda sdk: sdk.api.stats(self.id, stream=False, one_shot=True))
        return MemoryUse(said["memory_stats"].get("usage", 0), said["memory_stats"].get("limit", 0))

    async def free_memory(self) -> None:
        await self._client.call(lambda sdk: container_limits.restore_memory(sdk, self.id, self._kept))

    async def _resolved(self, impairment: Impairment) -> Impairment:
        """Return the impairment with the addresses of its peers and with a port number."""
        addresses: tuple[str, ...] = ()
        if impairment.peers:
            addresses = peers.addresses(impairment.peers, await self._lab.members(), self._lab.balancer_role)
        return replace(impairment, port=self.port if impairment.port is None else impairment.port, peers=addresses)


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


def _running(inspected: Mapping[str, Any]) -> Running:
    state = inspected["State"]
    if state["Paused"]:
        return Running.PAUSED
    if state["Restarting"]:
        return Running.RESTARTING
    return Running.RUNNING if state["Running"] else Running.EXITED


def _instance(inspected: Mapping[str, Any]) -> str:
    """Return the name by which the backend reports itself: API_INSTANCE, or its host name."""
    return _environment(inspected).get("API_INSTANCE") or str(inspected["Config"]["Hostname"])


def _environment(inspected: Mapping[str, Any]) -> dict[str, str]:
    return dict(entry.partition("=")[::2] for entry in inspected["Config"]["Env"] or [])


def _finished_mono(inspected: Mapping[str, Any]) -> float:
    """Return when the process ended, in seconds of this process' monotonic clock."""
    finished = datetime.fromisoformat(inspected["State"]["FinishedAt"])
    return time.monotonic() - (time.time() - finished.timestamp())


def _faulted_project(inspected: Mapping[str, Any]) -> str:
    """Return the compose project in which this chaos service looks for targets."""
    environment = _environment(inspected)
    return environment.get("CHAOS_PROJECT") or str(inspected["Config"]["Labels"].get(PROJECT_LABEL, ""))


def _started(inspected: Mapping[str, Any]) -> tuple[datetime, str]:
    """Return when the container was started; never the same for two."""
    return datetime.fromisoformat(inspected["State"]["StartedAt"]), inspected["Id"]
