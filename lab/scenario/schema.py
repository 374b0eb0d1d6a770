"""The scenario file, version 1: what may be written in it. Unknown keys and unit-less numbers are errors."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from lab.scenario.faults import FaultKind, complaints
from lab.scenario.units import Duration, Rate, Share

_REQUEST = re.compile(r"([A-Z]+) (/[!-~]*)")
_METHODS = ("GET", "POST")
_JOBS = "/jobs"
_SHARE_TOLERANCE = 1e-6  # three times 33.3333% is meant as a whole, but must be written out


class Strict(BaseModel):
    """Frozen, and closed to keys nobody has heard of."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RequestKind(Strict):
    """One kind of request in the mix: `{request: GET /work?sleep_ms=2, share: 90%}`."""

    request: str
    share: Share

    @model_validator(mode="after")
    def _known(self) -> Self:
        match = _REQUEST.fullmatch(self.request)
        if match is None or match[1] not in _METHODS:
            raise _wrong("expected a method (GET or POST) and a path, such as 'GET /work?sleep_ms=2'", self.request)
        if match[1] == "POST" and match[2] != _JOBS:
            raise _wrong("expected 'POST /jobs', the one path whose work is counted in the ledgers", self.request)
        return self

    @property
    def method(self) -> str:
        """`GET` or `POST`."""
        return self.request.split(" ", 1)[0]

    @property
    def path(self) -> str:
        """Path and query."""
        return self.request.split(" ", 1)[1]


class Load(Strict):
    """Open-loop load."""

    rate: Annotated[Rate, Field(gt=0, le=20_000)]
    mix: Annotated[tuple[RequestKind, ...], Field(min_length=1)]
    pacing: Literal["constant", "poisson"] = "constant"
    connections: Literal["keep-alive", "fresh"] = "keep-alive"
    patience: Annotated[Duration, Field(gt=0, le=60)] = 3.0
    """How long the client waits for an answer; after it the outcome is unknown."""
    slow: Annotated[Duration, Field(gt=0)] = 0.25
    """A good answer later than this counts as slow."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = math.fsum(kind.share for kind in self.mix)
        if abs(total - 1.0) > _SHARE_TOLERANCE:
            raise _wrong("expected the shares of the mix to add up to 100%", f"{total:.4%}")
        return self


def _parameter(value: Any) -> Any:
    if isinstance(value, bool | int | float):
        raise _wrong("expected a quantity with a unit, such as 1500ms or 10% (or a quoted code, such as '503')", value)
    return value


Parameter = Annotated[str, BeforeValidator(_parameter)]


class Step(Strict):
    """One fault. `at` counts from the end of the steady state."""

    at: Annotated[Duration, Field(ge=0, le=3600)] = 0.0
    fault: FaultKind
    target: Annotated[str, Field(min_length=1)] = "any"
    """A target's name; `any`: the first one in sorted order; `random`: drawn from the seed."""
    duration: Annotated[Duration, Field(gt=0, le=300)]
    params: dict[str, Parameter] = Field(default_factory=dict, validate_default=True)
    allow_last: bool = False
    """Permit the fault on the last healthy backend."""

    @field_validator("params")
    @classmethod
    def _of_this_fault(cls, params: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        kind = info.data.get("fault")  # absent where it was wrong itself, which has been said then
        if kind is not None and (wrong := complaints(kind, params)):
            raise PydanticCustomError("scenario", "{wrong}", {"wrong": "; ".join(wrong)})
        return params


class Settle(Strict):
    """What follows the last fault."""

    after_readmission: Annotated[Duration, Field(ge=0, le=300)] = 1.0
    at_most: Annotated[Duration, Field(gt=0, le=300)] = 15.0
    """The longest wait for readmission."""


class LatencyLimits(Strict):
    """Longest latencies of good answers; one left out is not limited."""

    p50: Annotated[Duration, Field(gt=0)] | None = None
    p95: Annotated[Duration, Field(gt=0)] | None = None
    p99: Annotated[Duration, Field(gt=0)] | None = None
    max: Annotated[Duration, Field(gt=0)] | None = None


class LatencyExpectation(Strict):
    """Requests that no fault touches in time, and those between a fault and its target's readmission."""

    outside: LatencyLimits = LatencyLimits()
    inside: LatencyLimits = LatencyLimits()


class Expect(Strict):
    """What must hold; a key left out is not asserted."""

    reroute: Literal["within_bound"] | None = None
    readmit: Literal["within_bound"] | None = None
    idempotent_failures: Annotated[int, Field(ge=0, strict=True)] | None = None
    lost: Annotated[int, Field(ge=0, strict=True)] | None = 0
    duplicated: Annotated[int, Field(ge=0, strict=True)] | None = 0
    zombie: Annotated[int, Field(ge=0, strict=True)] | None = None
    error_budget: Share | None = None
    slow_budget: Share | None = None
    distribution: Literal["policy"] | None = None
    """Undisturbed traffic is spread as the balancer's policy promises."""
    sticky: Literal["kept"] | None = None
    """Sessions of the load stay on their backend while it is up."""
    ejected: Literal["none"] | None = None
    """The balancer takes no backend out: the fault is one to sit out."""
    answer_within: Annotated[Duration, Field(gt=0)] | None = None
    """Longest wait for any answer, good or bad."""
    latency: LatencyExpectation | None = None


class Scenario(Strict):
    """A whole scenario file."""

    version: Literal[1]
    title: Annotated[str, Field(min_length=1, max_length=120)]
    description: str = ""
    load: Load
    warm_up: Annotated[Duration, Field(ge=0, le=300)] = 1.0
    steady_state: Annotated[Duration, Field(ge=0, le=3600)] = 2.0
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=100)]
    settle: Settle = Settle()
    expect: Expect


def _wrong(expected: str, got: Any) -> PydanticCustomError:
    return PydanticCustomError("scenario", "{expected}; got {got}", {"expected": expected, "got": repr(got)})
