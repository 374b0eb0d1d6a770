"""A container of a compose project as a target: injects and undoes faults on it through Docker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ..errors import BadRequestError, NoAddressError, NotPossibleError
from ..links.impairment import Impairment
from . import container_limits, container_networks, peers
from .docker_client import DockerClient
from .members import SERVICE_LABEL
from .netns_helper import NetnsHelpers
from .probe import Address, Health, host_port
from .targets import Injection, MemoryUse, ReadBack, Running, TargetInfo

STOP_GRACE_S = 10


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


def _running(inspected: Mapping[str, Any]) -> Running:
    state = inspected["State"]
    if state["Paused"]:
        return Running.PAUSED
    if state["Restarting"]:
        return Running.RESTARTING
    return Running.RUNNING if state["Running"] else Running.EXITED


def _instance(inspected: Mapping[str, Any]) -> str:
    """Return the name by which the backend reports itself: API_INSTANCE, or its host name."""
    return environment(inspected).get("API_INSTANCE") or str(inspected["Config"]["Hostname"])


def environment(inspected: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment variables with which the container starts."""
    return dict(entry.partition("=")[::2] for entry in inspected["Config"]["Env"] or [])


def _finished_mono(inspected: Mapping[str, Any]) -> float:
    """Return when the process ended, in seconds of this process' monotonic clock."""
    finished = datetime.fromisoformat(inspected["State"]["FinishedAt"])
    return time.monotonic() - (time.time() - finished.timestamp())
