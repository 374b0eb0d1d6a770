"""The interfaces of targets and runtimes: one narrow protocol for each ability that a fault needs.

A target is looked up for one fault and keeps its identity (a container id, a process' name and pid). If the lab
re-creates a backend under the same name, that is another target, and a fault on the old one needs no heal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel

from ..inputs.settings import RuntimeName
from ..links.impairment import Effect, Impairment
from .probe import Address


class Running(StrEnum):
    """State of a target's process as the runtime reports it."""

    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    """It ended, and its runtime will start it again."""
    EXITED = "exited"


class TargetInfo(BaseModel):
    """One entry of `GET /targets`."""

    name: str
    role: str
    state: str
    instance: str
    addresses: list[str]
    faults: list[str] = []


class Capability(BaseModel):
    """One fault kind in `GET /capabilities`: whether it is possible on this host, and by which mechanism."""

    possible: bool
    mechanism: str | None = None
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Injection:
    """When a fault took effect (`mono`, monotonic seconds) and by which mechanism."""

    mono: float
    mechanism: str


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What a link's mechanism reports: mechanism of each kind, and number of packets (local: chunks) processed."""

    mechanisms: Mapping[str, str]
    packets: int
    detail: str = ""

    def __str__(self) -> str:
        named = ", ".join(f"{kind} by {how}" for kind, how in sorted(self.mechanisms.items())) or "nothing"
        return f"{named}, {self.packets} packets matched" + (f" ({self.detail})" if self.detail else "")


@runtime_checkable
class Target(Protocol):
    """One backend. Every method raises TargetGoneError if the backend was removed, and RuntimeUnavailableError if the
    runtime does not answer."""

    name: str
    role: str
    foreign: bool
    """Whether it is a program that knows nothing of this lab, so that it can be asked nothing but its health."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Return what a selection can filter by: Docker's labels, or what the supervisor reports."""
        ...

    @property
    def undo(self) -> dict[str, Any]:
        """Return what `Runtime.recall` needs to find this target again after a crash of the chaos service."""
        ...

    async def info(self) -> TargetInfo:
        """Return the current state."""
        ...

    async def running(self) -> Running:
        """Return the current state of the process."""
        ...

    async def incarnation(self) -> str:
        """Return a text that differs after every start of the process."""
        ...

    async def address(self) -> Address:
        """Return the current address of its service port; a restart can change it."""
        ...

    async def ensure_running(self) -> None:
        """Resume the process if it is paused, start it if it has exited."""
        ...

    async def dependents(self) -> list[str]:
        """Return the members that lose their network for good when the target's process ends."""
        ...

    async def remember(self) -> None:
        """Read the settings that the fault will overwrite (limits, networks) into `undo`, for the heal."""
        ...


@runtime_checkable
class Killable(Target, Protocol):
    """Target that can be killed without a chance to clean up."""

    async def kill(self) -> Injection:
        """Send SIGKILL."""
        ...


@runtime_checkable
class Stoppable(Target, Protocol):
    """Target that can be asked to end."""

    async def stop(self) -> Injection:
        """Send SIGTERM, and SIGKILL if the process does not end in time."""
        ...


@runtime_checkable
class Pausable(Target, Protocol):
    """Target that can be frozen: it executes nothing, but keeps its sockets."""

    async def pause(self) -> Injection:
        """Freeze the process. `ensure_running` resumes it."""
        ...


@runtime_checkable
class LinkTarget(Target, Protocol):
    """Target with a network path that can be impaired."""

    async def preview_mechanism(self, impairment: Impairment) -> str:
        """Return the mechanism that `impair` would use. Raise the errors that `impair` raises for invalid
        parameters."""
        ...

    async def impair(self, impairment: Impairment) -> Injection:
        """Impair traffic to and from the service port, including that of open connections."""
        ...

    async def clear(self, kind: str) -> None:
        """Remove the impairment of this kind, even if its helper died. Idempotent."""
        ...

    async def read_back(self) -> ReadBack:
        """Return what the mechanism reports now."""
        ...


@runtime_checkable
class Disconnectable(Target, Protocol):
    """Target that can be disconnected from its networks."""

    async def disconnect(self) -> Injection:
        """Disconnect from all networks."""
        ...

    async def networks(self) -> list[str]:
        """Return the names of the networks that it is connected to now."""
        ...

    async def reconnect(self) -> None:
        """Connect to the networks that `remember` recorded. Idempotent."""
        ...


@runtime_checkable
class CpuLimitable(Target, Protocol):
    """Target whose CPU time can be limited."""

    async def limit_cpu(self, share: float, duration_s: float) -> Injection:
        """Limit it to this share of one CPU."""
        ...

    async def cpu_share(self) -> float | None:
        """Return the current limit, or None if there is none."""
        ...

    async def free_cpu(self) -> None:
        """Restore the limit that `remember` recorded. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Memory usage and limit as the kernel counts them, in bytes."""

    used: int
    limit: int


@runtime_checkable
class MemoryLimitable(Target, Protocol):
    """Target with a memory limit that can be lowered."""

    def check_memory(self, limit: int) -> None:
        """Raise NotPossibleError or BadRequestError if `limit` cannot be set. Call `remember` first."""
        ...

    async def limit_memory(self, limit: int) -> Injection:
        """Set the limit, in bytes including swap."""
        ...

    async def memory(self) -> MemoryUse:
        """Return the current usage and limit."""
        ...

    async def free_memory(self) -> None:
        """Restore the limit that `remember` recorded. Idempotent."""
        ...


@runtime_checkable
class Orderable(Target, Protocol):
    """A target that accepts orders to misbehave (`PUT /misbehave`)."""

    order_token: Callable[[str], str]
    """Return the current token for orders to this instance, or "". Raise OSError if it cannot be read."""


class Member(Protocol):
    """A process of the lab, of any role, that can be started again."""

    name: str
    role: str

    async def ensure_running(self) -> None:
        """Start the process."""
        ...


class Runtime(Protocol):
    """A runtime of targets: Docker, or local processes under the supervisor."""

    name: RuntimeName
    foreign: bool
    """Whether the targets belong to a project that knows nothing of this lab."""
    orders: bool
    """Whether the targets take orders to misbehave."""

    async def targets(self, *, all_roles: bool = False) -> Sequence[Target]:
        """Return the lab's backends sorted by name. `all_roles`: return every member, for display only."""
        ...

    def disputed(self) -> Mapping[str, str]:
        """Return the names that several containers had at the last call of `targets`, with the reason for refusing
        them."""
        ...

    async def obstacle(self) -> str:
        """Return why targets that were asked for do not exist; empty if they do."""
        ...

    async def recall(self, name: str, undo: Mapping[str, Any]) -> Target:
        """Return the target of a journaled fault. Raise TargetGoneError if it no longer exists."""
        ...

    async def sweep(self, owed: Collection[Mapping[str, Any]]) -> None:
        """End leftovers of an earlier process of this service, except on targets with an unhealed fault.

        `owed` has what `Target.undo` returned for each of these targets.
        """
        ...

    async def link_capability(self, effect: Effect) -> Capability:
        """Return whether this host can produce the effect, by which mechanism, and what is missing."""
        ...

    async def crashed(self) -> Sequence[Member]:
        """Return the members that crashed and that nothing else restarts."""
        ...

    def lost(self) -> str:
        """Return why this process can never reach the runtime again; empty if it can."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
