"""The format of scenario files, version 1. Unknown keys and quantities without a unit are errors."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from .steps import Step
from .strict import StrictModel
from .units import Duration, Share
from .workload import Load


class Settle(StrictModel):
    """Traffic after the last fault."""

    after_readmission: Annotated[Duration, Field(ge=0, le=300)] = 1.0
    """How long traffic continues once every target is readmitted."""
    at_most: Annotated[Duration, Field(gt=0, le=300)] = 15.0
    """Longest wait for readmission."""


class LatencyLimits(StrictModel):
    """Upper limits on latencies of good answers; a percentile that is left out has no limit."""

    p50: Annotated[Duration, Field(gt=0)] | None = None
    p95: Annotated[Duration, Field(gt=0)] | None = None
    p99: Annotated[Duration, Field(gt=0)] | None = None
    max: Annotated[Duration, Field(gt=0)] | None = None


class LatencyExpectation(StrictModel):
    """Limits for requests outside faults, and for requests from a fault until its target is readmitted."""

    outside: LatencyLimits = LatencyLimits()
    inside: LatencyLimits = LatencyLimits()


class Expect(StrictModel):
    """What must hold; a key that is left out is not asserted."""

    reroute: Literal["within_bound"] | None = None
    readmit: Literal["within_bound"] | None = None
    idempotent_failures: Annotated[int, Field(ge=0, strict=True)] | None = None
    lost: Annotated[int, Field(ge=0, strict=True)] | None = 0
    duplicated: Annotated[int, Field(ge=0, strict=True)] | None = 0
    zombie: Annotated[int, Field(ge=0, strict=True)] | None = None
    error_budget: Share | None = None
    slow_budget: Share | None = None
    distribution: Literal["policy"] | None = None
    """Traffic before the first fault is distributed as the balancer's policy promises."""
    sticky: Literal["kept"] | None = None
    """Sessions of the load stay on their backend while it is up."""
    ejected: Literal["none"] | None = None
    """The balancer takes no backend out, not even the faulted one."""
    answer_within: Annotated[Duration, Field(gt=0)] | None = None
    """Longest wait for any answer, good or bad."""
    latency: LatencyExpectation | None = None


class Scenario(StrictModel):
    """A scenario file."""

    version: Literal[1]
    title: Annotated[str, Field(min_length=1, max_length=120)]
    description: str = ""
    load: Load
    balancer: dict[str, Any] = Field(default_factory=dict)
    """Settings of the balancer for this scenario, as in its configuration file."""
    warm_up: Annotated[Duration, Field(ge=0, le=300)] = 1.0
    steady_state: Annotated[Duration, Field(ge=0, le=3600)] = 2.0
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=100)]
    settle: Settle = Settle()
    expect: Expect
