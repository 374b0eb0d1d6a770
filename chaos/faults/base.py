"""What every kind of fault declares, and the measurements that several share (recipe: docs/extending.md)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict

from ..drivers.probe import Address, Answer, ask
from ..drivers.targets import Injection, Running, Target
from .bound import Bound

VERIFY_DEADLINE_S = 2.0
"""`verify` must return within this time, seconds."""
SILENCE_S = 0.3
"""No answer for this long counts as none: a healthy backend on the same host answers within milliseconds."""
NEEDS_CGROUP = "a cgroup for each process"


class Layer(Enum):
    """The part of a target that a fault occupies; two faults on one layer usually conflict."""

    PROCESS = "process"
    SHAPE = "shape"
    CUT = "cut"
    CPU = "cpu"
    MEMORY = "memory"
    APP = "app"

    def conflicts(self, other: Layer) -> bool:
        """Return whether two faults on these layers of one target exclude each other.

        A dead or frozen process shows no other fault, and a cut link does not show how it is shaped. Faults that shape
        a link combine (each effect once); every other layer takes one fault.
        """
        if Layer.PROCESS in (self, other):
            return True
        if self is other:
            return self is not Layer.SHAPE
        return {self, other} == {Layer.SHAPE, Layer.CUT}


class Params(BaseModel):
    """Base of all parameters: unknown names are refused. A field's docstring is its published description."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class NoParams(Params):
    """For a fault without parameters."""


@dataclass(frozen=True, slots=True)
class Support:
    """How each runtime injects a fault; empty if it cannot."""

    containers: str = ""
    """The mechanism on a container of any Docker engine."""
    processes: str = ""
    """The mechanism on a local process."""
    lacking: str = ""
    """What the runtime that cannot inject the fault lacks for it."""

    def on(self, runtime: str) -> str:
        """Return the mechanism on a runtime, empty if it has none."""
        return self.processes if runtime == "local" else self.containers


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the fault took effect (None: so short a measurement cannot tell), and what was measured."""

    bit: bool | None
    evidence: str


T = TypeVar("T", bound=Target, contravariant=True)
P = TypeVar("P", bound=Params, contravariant=True)


class Fault(Protocol[T, P]):
    """One kind of fault: one file of this package, with its only instance as `FAULT`."""

    @property
    def kind(self) -> str:
        """Name of the kind in orders, scenarios and records."""
        ...

    @property
    def summary(self) -> str:
        """What a balancer sees, in one line for documents and help texts."""
        ...

    @property
    def layer(self) -> Layer:
        """The part of the target that it occupies."""
        ...

    @property
    def bound(self) -> Bound:
        """Which of the balancer's time bounds applies."""
        ...

    @property
    def needs(self) -> type[Any]:
        """The protocol of `chaos.drivers.targets` that the target must satisfy."""
        ...

    @property
    def params(self) -> type[Params]:
        """The model of its parameters."""
        ...

    @property
    def support(self) -> Support:
        """How each runtime injects it."""
        ...

    async def inject(self, target: T, params: P, duration_s: float) -> Injection:
        """Inject the fault; return when it is in effect. `duration_s` lets mechanisms end by themselves as well."""
        ...

    async def verify(self, target: T, params: P, before: Before) -> Verdict:
        """Read back and measure the effect, within `VERIFY_DEADLINE_S`."""
        ...

    async def heal(self, target: T) -> None:
        """Undo the fault. Idempotent, and works from the target alone: after a crash nothing else is known."""
        ...


AnyFault = Fault[Any, Any]


@runtime_checkable
class Previewing(Protocol):
    """A fault whose parameters may ask for what this host or target cannot do."""

    async def preview_mechanism(self, target: Any, params: Any, duration_s: float) -> str | None:
        """Return the mechanism where it depends on the parameters, else None. Touch nothing.

        Raise what `inject` would raise because of the parameters.
        """
        ...


@dataclass(frozen=True, slots=True)
class Before:
    """What a direct probe saw of the target just before the injection."""

    address: Address
    answer: Answer
    incarnation: str


async def measure_silence(target: Target) -> Answer:
    """Send one request on a new connection, with `SILENCE_S` as time-out; return the answer."""
    return await ask(await target.address(), timeout_s=SILENCE_S)


async def verify_gone(target: Target, before: Before) -> Verdict:
    """Check that the runtime reports an exit and that nothing answers at the old address (Docker removes it)."""
    running = await target.running()
    answer = await ask(before.address, timeout_s=SILENCE_S)
    return Verdict(running is Running.EXITED and answer.status is None, f"process {running}; direct probe: {answer}")
