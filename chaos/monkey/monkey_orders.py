"""The order for a monkey and the plan made from it. A client can send a plan instead of an order, to replay it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, WithJsonSchema, field_validator

from ..engine import guard
from ..engine.orders import Duration, Kind
from ..engine.selection import MAX_SEED, Selector
from ..engine.stop_condition import StopWhen
from ..errors import BadRequestError
from ..inputs.units import QUANTITIES, parse_duration, parse_rate

LONGEST_S = 24 * 3600.0
MOST_STEPS = 10_000
"""Maximum number of faults in one plan: about an hour at three per second."""


class Choice(BaseModel):
    """One of the fault kinds from which the monkey chooses."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    duration: Duration
    """How long each fault lasts; with `up_to`, the shortest duration."""
    up_to: Duration | None = None
    """The longest duration. Durations are then uniformly distributed between `duration` and `up_to`."""
    params: dict[str, Any] = {}
    weight: float = Field(default=1.0, gt=0, le=1e6, allow_inf_nan=False)
    """How often this kind is chosen, relative to the other choices."""


class Quiet(BaseModel):
    """A period without faults, counted from the monkey's start: no fault begins in it or lasts into it."""

    model_config = ConfigDict(extra="forbid", validate_by_name=True)

    begin: Duration
    end: Duration


class MonkeyOrder(BaseModel):
    """The body of `POST /monkeys`."""

    model_config = ConfigDict(extra="forbid")

    duration: Duration
    """How long the monkey runs; every fault has ended by then."""
    rate: Annotated[
        str, WithJsonSchema({"type": "string", "pattern": QUANTITIES["rate"].pattern, "examples": ["6/min"]})
    ]
    """Mean rate at which faults begin (a Poisson process). `budget` and `quiet` can lower it."""
    faults: list[Choice] = Field(min_length=1, max_length=50)
    targets: Selector = Selector()
    """Filters only. Each fault acts on one of the matches, chosen at random."""
    budget: int = Field(default=1, ge=1, le=100)
    """Maximum number of simultaneous faults."""
    quiet: list[Quiet] = Field(default=[], max_length=100)
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED)
    """The same seed and backends give the same plan. Without a seed, a new one is used and returned."""
    allow_last: bool = False
    stop_when: StopWhen | None = None
    """Condition that ends the monkey and heals its faults."""

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
    """Seconds from the monkey's start."""
    kind: Kind
    target: str
    duration: Duration
    params: dict[str, Any] = {}


class Plan(BaseModel):
    """All faults with their times: made from a MonkeyOrder, or sent by a client to be replayed."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    seed: int | None = None
    """Seed from which the plan was made. A replay does not use it."""
    duration_s: float = Field(gt=0, le=LONGEST_S, allow_inf_nan=False)
    budget: int = Field(default=1, ge=1, le=100)
    allow_last: bool = False
    stop_when: StopWhen | None = None
    steps: list[Step] = Field(max_length=2 * MOST_STEPS)


def _which(given: Any) -> str:
    is_plan = "steps" in given if isinstance(given, dict) else isinstance(given, Plan)
    return "plan" if is_plan else "order"


MonkeyBody = Annotated[Annotated[MonkeyOrder, Tag("order")] | Annotated[Plan, Tag("plan")], Discriminator(_which)]


def check_order(order: MonkeyOrder, max_fault_s: float) -> None:
    """Raise BadRequestError for an invalid fault, or for more faults than a plan may have."""
    duration_s = _seconds("duration", order.duration)
    if not 0 < duration_s <= LONGEST_S:
        raise BadRequestError(f"duration {order.duration} is not between 0 and {LONGEST_S / 3600:g}h")
    if duration_s * parse_rate(order.rate) > MOST_STEPS:
        raise BadRequestError(f"{order.rate} for {order.duration} is more than {MOST_STEPS} faults")
    for choice in order.faults:
        guard.check_params(guard.check_kind(choice.kind), choice.params)
        least = guard.check_duration(choice.duration, max_fault_s)
        if choice.up_to is not None and guard.check_duration(choice.up_to, max_fault_s) < least:
            raise BadRequestError(f"{choice.kind}: up_to {choice.up_to} is shorter than duration {choice.duration}")
    for quiet in order.quiet:
        if not _seconds("quiet.begin", quiet.begin) < _seconds("quiet.end", quiet.end):
            raise BadRequestError(f"quiet: {quiet.begin} is not before {quiet.end}")


def check_plan(plan: Plan, max_fault_s: float) -> None:
    """Raise BadRequestError for a step that is invalid in every state of the lab."""
    for number, step in enumerate(plan.steps):
        try:
            guard.check_params(guard.check_kind(step.kind), step.params)
            guard.check_duration(step.duration, max_fault_s)
        except BadRequestError as error:
            raise BadRequestError(f"steps.{number}: {error.detail}", error.possible) from error
    if any(later.at_s < earlier.at_s for earlier, later in zip(plan.steps, plan.steps[1:], strict=False)):
        raise BadRequestError("steps: expected in the order of at_s")


def _seconds(field: str, text: object) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise BadRequestError(f"{field}: {error}", possible=["30s", "10min", "2h"]) from error
