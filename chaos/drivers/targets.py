"""The interfaces of targets and runtimes: one narrow protocol for each ability that a fault needs.

A target is looked up for one fault and keeps its identity (a container id, a process' name and pid): when the lab
re-creates a backend under the same name, that is another target, and a fault on the old one has nothing left to heal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel

from ..links.impairment import Effect, Impairment
from .probe import Address


class Running(StrEnum):
    """What the runtime says of a target's process."""

    RUNNING = "running"
    PAUSED = "paused"
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
    """One fault kind in `GET /capabilities`: possible here, and by what."""

    possible: bool
    mechanism: str | None = None
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Injection:
    """A fault took effect at `mono` (monotonic seconds) by `mechanism`."""

    mono: float
    mechanism: str


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What is in place on a link by its own account: mechanism by kind, and the packets (local: chunks) it has met."""

    mechanisms: Mapping[str, str]
    packets: int
    detail: str = ""

    def __str__(self) -> str:
        named = ", ".join(f"{kind} by {how}" for kind, how in sorted(self.mechanisms.items())) or "nothing"
        return f"{named}, {self.packets} met it" + (f" ({self.detail})" if self.detail else "")


@runtime_checkable
class Target(Protocol):
    """One backend. Every method raises `TargetGoneError` once it is removed, `RuntimeUnavailableError` on no answer."""

    name: str
    role: str

    @property
    def labels(self) -> Mapping[str, str]:
        """What a selection can ask for: Docker's labels, the supervisor's facts."""
        ...

    @property
    def undo(self) -> dict[str, Any]:
        """What `Runtime.recall` needs to find this very target again after a crash of ours."""
        ...

    async def info(self) -> TargetInfo:
        """How it stands now."""
        ...

    async def running(self) -> Running:
        """Read the process' state back."""
        ...

    async def incarnation(self) -> str:
        """Differs after every start of its process."""
        ...

    async def address(self) -> Address:
        """Where it answers now; a restart can change it."""
        ...

    async def ensure_running(self) -> None:
        """Resume it if paused, start it if exited; nothing else."""
        ...

    async def remember(self) -> None:
        """Read into `undo` what a heal needs and the fault would overwrite: limits, networks."""
        ...


@runtime_checkable
class Killable(Target, Protocol):
    """Can be ended without a chance to clean up."""

    async def kill(self) -> Injection:
        """SIGKILL."""
        ...


@runtime_checkable
class Stoppable(Target, Protocol):
    """Can be asked to end."""

    async def stop(self) -> Injection:
        """SIGTERM, and SIGKILL where that is not obeyed in time."""
        ...


@runtime_checkable
class Pausable(Target, Protocol):
    """Can be frozen: no instruction runs, all sockets stay."""

    async def pause(self) -> Injection:
        """Freeze. `ensure_running` resumes."""
        ...


@runtime_checkable
class LinkTarget(Target, Protocol):
    """Has a network path that can be impaired."""

    async def preview_mechanism(self, impairment: Impairment) -> str:
        """The mechanism that it would be impaired by. Raises what `impair` would because of what is asked for."""
        ...

    async def impair(self, impairment: Impairment) -> Injection:
        """Impair traffic to and from its service port, open connections included."""
        ...

    async def clear(self, kind: str) -> None:
        """Remove the impairment of this kind, also one whose helper died. Idempotent."""
        ...

    async def read_back(self) -> ReadBack:
        """What the mechanism says of itself now."""
        ...


@runtime_checkable
class Disconnectable(Target, Protocol):
    """Can leave its networks."""

    async def disconnect(self) -> Injection:
        """Leave all of them."""
        ...

    async def networks(self) -> list[str]:
        """Those that it is in now."""
        ...

    async def reconnect(self) -> None:
        """Join those that were remembered. Idempotent."""
        ...


@runtime_checkable
class CpuLimitable(Target, Protocol):
    """Can be kept from using the CPU."""

    async def limit_cpu(self, share: float, duration_s: float) -> Injection:
        """Leave it this share of one CPU."""
        ...

    async def cpu_share(self) -> float | None:
        """Read back; None: unlimited."""
        ...

    async def free_cpu(self) -> None:
        """As remembered. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """As the kernel counts it, bytes."""

    used: int
    limit: int


@runtime_checkable
class MemoryLimitable(Target, Protocol):
    """Has a memory limit that can be lowered."""

    def check_memory(self, limit: int) -> None:
        """Raises NotPossibleError or BadRequestError for a limit that cannot be lowered to this; after `remember`."""
        ...

    async def limit_memory(self, limit: int) -> Injection:
        """Bytes, swap included."""
        ...

    async def memory(self) -> MemoryUse:
        """Read back."""
        ...

    async def free_memory(self) -> None:
        """As remembered. Idempotent."""
        ...


@runtime_checkable
class Orderable(Target, Protocol):
    """A target that accepts orders to misbehave (`PUT /misbehave`)."""

    order_token: Callable[[str], str]
    """Instance → the token that it wants for that, as of now; empty: none is known. Raises OSError if it cannot be
    read."""


class Member(Protocol):
    """A process of the lab that can be started again, whatever its role."""

    name: str
    role: str

    async def ensure_running(self) -> None:
        """Start it."""
        ...


class Runtime(Protocol):
    """Where targets live: Docker, or local processes under the supervisor."""

    name: str

    async def targets(self, *, all_roles: bool = False) -> Sequence[Target]:
        """The lab's backends, by name; with `all_roles` every member, to look at only."""
        ...

    def disputed(self) -> Mapping[str, str]:
        """Names that several containers claimed at the last call of `targets`, with the reason; none is a target."""
        ...

    async def recall(self, name: str, undo: Mapping[str, Any]) -> Target:
        """The target of a journaled fault. Raises `TargetGoneError`."""
        ...

    async def sweep(self, owed: Collection[Mapping[str, Any]]) -> None:
        """End what a former life of this service started and no fault accounts for; `owed` are the undos of those that
        are not healed."""
        ...

    async def link_capability(self, effect: Effect) -> Capability:
        """Return whether link faults with this effect are possible on this host, by what, and what is missing."""
        ...

    async def crashed(self) -> Sequence[Member]:
        """Members of the lab that ended otherwise than on request, and that nothing else restarts."""
        ...

    def lost(self) -> str:
        """Why this process will never reach it again; empty if it may."""
        ...

    async def close(self) -> None:
        """Give up connections."""
        ...
