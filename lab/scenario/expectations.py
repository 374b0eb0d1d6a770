"""The `expect` section of a scenario. Each key is checked by one of `lab.judge.checkers`, which reads it from here.

A plan stores the section unchanged, so a new expectation needs only a field here and a checker.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from .strict import StrictModel
from .units import Duration, Share, TimeLimit


class LatencyLimits(StrictModel):
    """Upper limits on latencies of good responses. A percentile that is left out has no limit."""

    p50: Annotated[Duration, Field(gt=0)] | None = None
    p95: Annotated[Duration, Field(gt=0)] | None = None
    p99: Annotated[Duration, Field(gt=0)] | None = None
    max: Annotated[Duration, Field(gt=0)] | None = None

    def limits(self) -> Iterator[tuple[str, float, float]]:
        """Yield name, share of requests and seconds of each limit that is set."""
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)):
            if (limit := getattr(self, name)) is not None:
                yield name, share, limit


class LatencyExpectation(StrictModel):
    """Limits for requests outside faults, and for requests from a fault until its target is readmitted."""

    outside: LatencyLimits = LatencyLimits()
    inside: LatencyLimits = LatencyLimits()


class Expect(StrictModel):
    """What must hold. A key that is left out is not asserted."""

    reroute: TimeLimit | None = None
    """Longest time until traffic has left a faulted backend: the balancer's bound, or seconds."""
    readmit: TimeLimit | None = None
    """Longest time from a verified heal until the backend is in use again: the balancer's bound, or seconds."""
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
    """Longest wait for any response, good or bad."""
    latency: LatencyExpectation | None = None
    checkers: dict[str, Any] = Field(default_factory=dict)
    """What checkers of other packages expect, by the checker's name. Each checker defines the format of its value."""
