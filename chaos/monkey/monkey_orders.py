"""What a monkey is asked to do, and the plan that becomes of it. A printed plan is an order too: it is replayed."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, WithJsonSchema, field_validator

from ..engine import guard
from ..engine.orders import Duration, Kind
from ..engine.selection import MAX_SEED, Selector
from ..engine.stop_condition import StopWhen
from ..errors import BadRequestError
from ..inputs.units import parse_duration

LONGEST_S = 24 * 3600.0
MOST_STEPS = 10_000
"""Faults in one plan: an hour at three a second, more than any lab can hold."""
RATE_PATTERN = r"^\d+(\.\d+)?/(s|min|h)$"
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(s|min|h)", re.ASCII)
_PER_S = {"s": 1.0, "min": 1 / 60, "h": 1 / 3600}


class Choice(BaseModel):
    """One kind of fault that may be chosen."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    duration: Duration
    """How long each lasts; at least that long, where `up_to` is given."""
    up_to: Duration | None = None
    """Durations are then spread evenly between the two."""
    params: dict[str, Any] = {}
    weight: float = Field(default=1.0, gt=0, le=1e6, allow_inf_nan=False)
    """How often, compared with the other choices."""


class Quiet(BaseModel):
    """A time without faults, counted from the monkey's start: none begins in it, and none lasts into it."""

    model_config = ConfigDict(extra="forbid", validate_by_name=True)

    begin: Duration
    end: Duration


class MonkeyOrder(BaseModel):
    """The body of `POST /monkeys`."""

    model_config = ConfigDict(extra="forbid")

    duration: Duration
    """Of the whole; every fault is over by then."""
    rate: Annotated[str, WithJsonSchema({"type": "string", "pattern": RATE_PATTERN, "examples": ["6/min"]})]
    """Faults begin at this rate on average, at random times (a Poisson process), as far as budget and quiet allow."""
    faults: list[Choice] = Field(min_length=1, max_length=50)
    targets: Selector = Selector()
    """Filters only; each fault takes one of the matches at random."""
    budget: int = Field(default=1, ge=1, le=100)
    """Faults at the same time."""
    quiet: list[Quiet] = Field(default=[], max_length=100)
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED)
    """The same seed and the same backends make the same plan; without, one is drawn and told."""
    allow_last: bool = False
    stop_when: StopWhen | None = None
    """Ends the monkey, and heals what it did."""

    @field_validator("rate")
    @classmethod
    def _is_a_rate(cls, text: str) -> str:
        if parse_rate(text) == 0:
            raise ValueError("expected a rate above 0")
        return text

    @field_validator("targets")
    @classmethod
    def _only_filters(cls, targets: Selector) -> Selector:
        if targets.chooses:
            raise ValueError("expected filters only (names, role, label): each fault takes one target at random")
        return targets


class Step(BaseModel):
    """One fault of a plan."""

    model_config = ConfigDict(extra="forbid")

    at_s: float = Field(ge=0, le=LONGEST_S, allow_inf_nan=False)
    """From the monkey's start."""
    kind: Kind
    target: str
    duration: Duration
    params: dict[str, Any] = {}


class Plan(BaseModel):
    """What will be done and when: made from a MonkeyOrder, or sent to be replayed."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    seed: int | None = None
    """What it was made from; replaying does not use it."""
    duration_s: float = Field(gt=0, le=LONGEST_S, allow_inf_nan=False)
    budget: int = Field(default=1, ge=1, le=100)
    allow_last: bool = False
    stop_when: StopWhen | None = None
    steps: list[Step] = Field(max_length=2 * MOST_STEPS)


def _which(given: Any) -> str:
    is_plan = "steps" in given if isinstance(given, dict) else isinstance(given, Plan)
    return "plan" if is_plan else "order"


MonkeyBody = Annotated[Annotated[MonkeyOrder, Tag("order")] | Annotated[Plan, Tag("plan")], Discriminator(_which)]


def parse_rate(text: str) -> float:
    """Per second. Raises ValueError that names what was expected."""
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"expected a rate such as 6/min, 1/s or 10/h, not {text!r}")
    return float(match[1]) * _PER_S[match[2]]


def check_order(order: MonkeyOrder, max_fault_s: float) -> None:
    """Raises BadRequestError for what the guard would refuse of each fault, or for more than a plan may hold."""
    duration_s = _seconds("duration", order.duration)
    if not 0 < duration_s <= LONGEST_S:
        raise BadRequestError(f"duration {order.duration} is not within 0 and {LONGEST_S / 3600:g}h")
    if duration_s * parse_rate(order.rate) > MOST_STEPS:
        raise BadRequestError(f"{order.rate} for {order.duration} is more than {MOST_STEPS} faults")
    for choice in order.faults:
        guard.check_params(guard.check_kind(choice.kind), choice.params)
        least = guard.check_duration(choice.duration, max_fault_s)
        if choice.up_to is not None and guard.check_duration(choice.up_to, max_fault_s) < least:
            raise BadRequestError(f"{choice.kind}: up_to {choice.up_to} is less than duration {choice.duration}")
    for quiet in order.quiet:
        if not _seconds("quiet.begin", quiet.begin) < _seconds("quiet.end", quiet.end):
            raise BadRequestError(f"quiet: {quiet.begin} is not before {quiet.end}")


def check_plan(plan: Plan, max_fault_s: float) -> None:
    """Raises BadRequestError for a step that the guard would refuse whatever the lab's state."""
    for number, step in enumerate(plan.steps):
        try:
            guard.check_params(guard.check_kind(step.kind), step.params)
            guard.check_duration(step.duration, max_fault_s)
        except BadRequestError as error:
            raise BadRequestError(f"steps.{number}: {error.detail}", error.possible) from error
    if any(later.at_s < earlier.at_s for earlier, later in zip(plan.steps, plan.steps[1:], strict=False)):
        raise BadRequestError("steps: expected them in the order of at_s")


def _seconds(field: str, text: object) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise BadRequestError(f"{field}: {error}", possible=["30s", "10min", "2h"]) from error
