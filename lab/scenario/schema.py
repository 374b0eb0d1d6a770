"""The scenario file, version 1: what may be written in it. Unknown keys and unit-less numbers are errors."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from ..extensions import CHECKERS, points
from .steps import Step
from .strict import Strict, wrong
from .units import Duration, Share
from .workload import Load


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
    checkers: dict[str, Any] = Field(default_factory=dict)
    """What checkers of other packages are to expect, by the checker's name; each defines what may stand here."""

    @field_validator("checkers")
    @classmethod
    def _installed(cls, checkers: dict[str, Any]) -> dict[str, Any]:
        names = [point.name for point in points(CHECKERS)] if checkers else []
        for name in checkers:
            if name not in names:
                raise wrong(f"expected a checker of an installed package ({', '.join(names) or 'there is none'})", name)
        return checkers


class Scenario(Strict):
    """A whole scenario file."""

    version: Literal[1]
    title: Annotated[str, Field(min_length=1, max_length=120)]
    description: str = ""
    load: Load
    balancer: dict[str, Any] = Field(default_factory=dict)
    """Settings that the balancer gets for this scenario, as in its configuration file."""
    warm_up: Annotated[Duration, Field(ge=0, le=300)] = 1.0
    steady_state: Annotated[Duration, Field(ge=0, le=3600)] = 2.0
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=100)]
    settle: Settle = Settle()
    expect: Expect
