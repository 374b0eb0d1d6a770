"""The shape that every fault has, and the measurements that several share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict

from ..drivers.probe import Address, Answer, ask
from ..drivers.targets import Injection, Running, Target

VERIFY_DEADLINE_S = 2.0
"""A verdict on whether the fault bit is due this long after its injection."""
SILENCE_S = 0.3
"""No answer for this long counts as none: a healthy backend on the same host answers within milliseconds."""


class Layer(Enum):
    """The part of a target that a fault occupies."""

    PROCESS = "process"
    SHAPE = "shape"
    CUT = "cut"
    CPU = "cpu"
    MEMORY = "memory"
    APP = "app"

    def conflicts(self, other: Layer) -> bool:
        """A dead or frozen process cannot show any other fault, nor can a cut link show how it is shaped. Shapings
        combine with each other (each kind once); else each layer takes one."""
        if Layer.PROCESS in (self, other):
            return True
        if self is other:
            return self is not Layer.SHAPE
        return {self, other} == {Layer.SHAPE, Layer.CUT}


class Params(BaseModel):
    """Base of all parameters: unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoParams(Params):
    """The fault takes none."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the fault bit (None: a measurement this short cannot tell), and what was seen."""

    bit: bool | None
    evidence: str


T = TypeVar("T", bound=Target, contravariant=True)
P = TypeVar("P", bound=Params, contravariant=True)


class Fault(Protocol[T, P]):
    """One kind of fault."""

    @property
    def kind(self) -> str:
        """The name it is asked for by."""
        ...

    @property
    def layer(self) -> Layer:
        """What it occupies."""
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
    def mechanism(self) -> str | None:
        """How, where that does not depend on the host; None for link faults."""
        ...

    async def inject(self, target: T, params: P, duration_s: float) -> Injection:
        """Make it so; returns when it is in effect. `duration_s` lets mechanisms end by themselves as well."""
        ...

    async def verify(self, target: T, params: P, before: Before) -> Verdict:
        """Read back and measure, within `VERIFY_DEADLINE_S`."""
        ...

    async def heal(self, target: T) -> None:
        """Undo. Idempotent."""
        ...


AnyFault = Fault[Any, Any]


@runtime_checkable
class Foresighted(Protocol):
    """A fault whose parameters may ask for what this host or target cannot do."""

    async def foresee(self, target: Any, params: Any, duration_s: float) -> str | None:
        """The mechanism, where that depends on the parameters. Raises what `inject` would because of them; touches
        nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Before:
    """How the target stood just before the injection."""

    address: Address
    answer: Answer
    incarnation: str


async def measure_silence(target: Target) -> Answer:
    """One fresh question to the target, given up after `SILENCE_S`."""
    return await ask(await target.address(), timeout_s=SILENCE_S)


async def verify_gone(target: Target, before: Before) -> Verdict:
    """The runtime says exited, and nobody answers where it answered before (Docker takes the address away)."""
    running = await target.running()
    answer = await ask(before.address, timeout_s=SILENCE_S)
    return Verdict(running is Running.EXITED and answer.status is None, f"process {running}; direct probe: {answer}")
