"""The declarations that every fault kind must have, and measurements used by several (recipe: docs/extending.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict

from ..drivers.probe import Address, Answer, ask, why_unreachable
from ..drivers.targets import Injection, Orderable, Running, Target
from ..inputs.settings import RuntimeName
from .bound import Bound

VERIFY_DEADLINE_S = 2.0
"""Time limit of `verify`, seconds."""
SILENCE_S = 0.3
"""Seconds without an answer that count as no answer. A healthy backend on the same host answers in milliseconds."""
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
        """Return whether two faults on these layers of one target conflict.

        No other fault is measurable on a dead or frozen process, and no shaping on a cut link. Faults that shape a link
        combine, with each effect at most once. Every other layer can have only one fault.
        """
        if Layer.PROCESS in (self, other):
            return True
        if self is other:
            return self is not Layer.SHAPE
        return {self, other} == {Layer.SHAPE, Layer.CUT}


class Params(BaseModel):
    """Base of all parameters. Unknown names are refused. A field's docstring is its published description."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class NoParams(Params):
    """Parameters of a fault that has none."""


@dataclass(frozen=True, slots=True)
class Support:
    """The mechanism by which each runtime injects a fault."""

    mechanisms: Mapping[RuntimeName, str]
    """Runtime → its mechanism. A runtime that is not named cannot inject the fault."""
    lacking: str = ""
    """What a runtime without a mechanism lacks."""

    def on(self, runtime: RuntimeName) -> str:
        """Return the mechanism on a runtime, or an empty string."""
        return self.mechanisms.get(runtime, "")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the fault had a measurable effect (None: the short measurement cannot tell), and what was measured."""

    bit: bool | None
    evidence: str


T = TypeVar("T", bound=Target, contravariant=True)
P = TypeVar("P", bound=Params, contravariant=True)


class Fault(Protocol[T, P]):
    """One kind of fault. Each is one module of this package, with its only instance as `FAULT`."""

    @property
    def kind(self) -> str:
        """Name of the kind in orders, scenarios and records."""
        ...

    @property
    def summary(self) -> str:
        """How the fault looks to a balancer, in one line for documents and help texts."""
        ...

    @property
    def past(self) -> str:
        """What happened to the target, for reports: `was paused` in `api-1 was paused for 4.0 s`."""
        ...

    @property
    def layer(self) -> Layer:
        """The part of the target that the fault occupies."""
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
        """The mechanism on each runtime."""
        ...

    async def inject(self, target: T, params: P, duration_s: float) -> Injection:
        """Inject the fault and return when it is in effect. Mechanisms use `duration_s` to end also by themselves."""
        ...

    async def verify(self, target: T, params: P, before: Before) -> Verdict:
        """Read back and measure the effect, within `VERIFY_DEADLINE_S`."""
        ...

    async def heal(self, target: T) -> None:
        """Undo the fault. Idempotent. It needs only the target, because nothing else is known after a crash."""
        ...


AnyFault = Fault[Any, Any]


@runtime_checkable
class Previewing(Protocol):
    """A fault whose parameters may be impossible on this host or target."""

    async def preview_mechanism(self, target: Any, params: Any, duration_s: float) -> str | None:
        """Return the mechanism if it depends on the parameters, else None. Change nothing.

        Raise the errors that `inject` raises for invalid parameters.
        """
        ...


@dataclass(frozen=True, slots=True)
class Before:
    """Result of a direct probe of the target just before the injection."""

    address: Address | None
    """None if the target cannot be probed, which only faults of a process, CPU or memory allow."""
    answer: Answer
    incarnation: str

    async def ask_again(self) -> Answer:
        """Send one request to the same address, with `SILENCE_S` as time-out, and return the result."""
        return self.answer if self.address is None else await ask(self.address, timeout_s=SILENCE_S)


def needs(fault: AnyFault, *abilities: type[Any]) -> bool:
    """Return whether the fault needs one of these abilities, alone or with others."""
    return bool(set(abilities) & set(fault.needs.__mro__))


def works_unprobed(fault: AnyFault) -> bool:
    """Return whether the runtime's report is enough to verify the fault, so that no direct probe is needed."""
    return fault.layer in (Layer.PROCESS, Layer.CPU, Layer.MEMORY) and not needs(fault, Orderable)


async def measure_silence(target: Target) -> Answer:
    """Send one request on a new connection, with `SILENCE_S` as time-out, and return the result."""
    if reason := await why_unreachable(target):
        return Answer.unprobed(reason)
    return await ask(await target.address(), timeout_s=SILENCE_S)


async def verify_gone(target: Target, before: Before) -> Verdict:
    """Check that the runtime reports an exit and that nothing answers at the old address."""
    running = await target.running()
    answer = await before.ask_again()
    return Verdict(running is Running.EXITED and bool(answer.failure), f"process {running}; direct probe: {answer}")
