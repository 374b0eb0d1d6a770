"""The format of scenario files, version 1. Unknown keys and quantities without a unit are errors."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from ..extensions import CHECKERS, points
from .expectations import Expect
from .steps import Step
from .strict import StrictModel, field_error
from .units import Duration
from .workload import Load


class Settle(StrictModel):
    """Traffic after the last fault."""

    after_readmission: Annotated[Duration, Field(ge=0, le=300)] = 1.0
    """How long traffic continues once every target is readmitted."""
    at_most: Annotated[Duration, Field(gt=0, le=300)] = 15.0
    """Longest wait for readmission."""


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

    @field_validator("expect")
    @classmethod
    def _checkers_are_installed(cls, expect: Expect) -> Expect:
        """Refuse expectations of checkers that are not installed. An old run can be judged without them."""
        names = [point.name for point in points(CHECKERS)] if expect.checkers else []
        for name in expect.checkers:
            if name not in names:
                known = ", ".join(names) or "there is none"
                raise field_error(f"expected checkers of installed packages ({known})", name)
        return expect
