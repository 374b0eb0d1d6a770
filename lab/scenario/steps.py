"""The steps of a scenario: faults and operator actions (drain, scale, restart), single, in parallel or repeated."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ..actions import ACTIONS
from ..output.inert import quoted
from .fault_kinds import built_in, complaints, find, known
from .strict import StrictModel, field_error
from .units import Duration, DurationRange, DurationRangeField, PhaseOfInterval

_LONGEST_S = 300.0
_NAME_LONG = 80
"""Maximum characters of a name that may be misspelt: the cost of comparing grows with the square of the length."""


def _parameter(value: Any) -> Any:
    if isinstance(value, bool | int | float):
        raise field_error(
            "expected a quantity with a unit, such as 1500ms or 10% (or a quoted code, such as '503')", value
        )
    return value


def _kind(value: Any) -> Any:
    return _one_of(value, known().kinds) if isinstance(value, str) and find(value) is None else value


def _one_of(value: str, names: Collection[str]) -> str:
    """Return the value if it is one of the names. Otherwise raise PydanticCustomError with a suggestion."""
    if value in names:
        return value
    close = difflib.get_close_matches(value, names, n=1) if len(value) <= _NAME_LONG else []
    hint = f" (did you mean {close[0]}?)" if close else ""
    found = {"names": ", ".join(names), "got": quoted(value), "hint": hint}
    raise PydanticCustomError("scenario", "expected one of {names}; got {got}{hint}", found)


def _action(value: Any) -> Any:
    return _one_of(value, ACTIONS) if isinstance(value, str) else value


Act = Annotated[str, BeforeValidator(_action), WithJsonSchema({"type": "string", "enum": [*ACTIONS]})]
Kind = Annotated[str, BeforeValidator(_kind), WithJsonSchema({"type": "string", "enum": [*built_in().kinds]})]
Parameter = Annotated[str, BeforeValidator(_parameter)]


class Repeat(StrictModel):
    """Repetition of a step: `{times: 3, every: 2s}`."""

    times: Annotated[int, Field(ge=2, le=100, strict=True)]
    every: Annotated[Duration, Field(gt=0, le=3600)]
    phases: Annotated[int, Field(ge=2, le=100, strict=True)] | None = None
    """The k-th repetition begins at phase k / phases of the health-check interval."""


class Step(StrictModel):
    """One fault, one operator action, or a group of steps."""

    at: DurationRangeField = DurationRange(0.0, 0.0)
    """Offset from the end of the steady state, or from the `at` of the group."""
    phase: PhaseOfInterval | None = None
    """Wait, from `at`, for this phase of the target's health-check interval, which begins with its last check."""
    repeat: Repeat | None = None
    fault: Kind | None = None
    act: Act | None = None
    parallel: Annotated[tuple[Step, ...], Field(min_length=1, max_length=20)] | None = None
    """Steps whose `at` counts from the `at` of this step."""
    one_of: Annotated[tuple[Step, ...], Field(min_length=2, max_length=20)] | None = None
    """The seed selects one of these steps, again for each repetition."""
    target: Annotated[str, Field(min_length=1)] = "any"
    """Name of a target, `any` (the first free target in sorted order), or `random` (a target that the seed selects)."""
    duration: DurationRangeField | None = None
    params: dict[str, Parameter] = Field(default_factory=dict, validate_default=True)
    allow_last: bool = False
    """Whether to permit it on the last healthy backend."""
    to: Annotated[int, Field(ge=1, le=20, strict=True)] | None = None
    """With `act: scale`: number of backends for the duration. Then the former number is restored."""
    weight: Annotated[float, Field(ge=0, le=1000)] | None = None
    """With `act: weight`: weight for the duration. Then the former weight is restored."""
    drain: bool = True
    """With `act: rolling_restart`: drain each backend through the admin API before its restart."""

    @field_validator("params")
    @classmethod
    def _check_params(cls, params: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        kind = info.data.get("fault")  # absent if the kind itself is invalid, which is reported separately
        if kind is not None and (found := complaints(kind, params)):
            raise PydanticCustomError("scenario", "{wrong}", {"wrong": "; ".join(found)})
        return params

    @field_validator("duration")
    @classmethod
    def _check_duration(cls, duration: DurationRange | None) -> DurationRange | None:
        if duration is not None and not 0 < duration.low <= duration.high <= _LONGEST_S:
            raise field_error(f"expected a duration above 0 and of at most {_LONGEST_S:g}s", f"{duration.high:g}s")
        return duration

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        named = [name for name in ("fault", "act", "parallel", "one_of") if getattr(self, name) is not None]
        if len(named) != 1:
            raise field_error("expected exactly one of fault, act, parallel, one_of", named or "none of them")
        if named[0] in {"parallel", "one_of"}:
            return self
        action = ACTIONS[self.act] if self.act else None
        if self.duration is None and (action is None or action.timed):
            raise field_error(f"expected a duration with {self.fault or self.act}", "none")
        for name in ("to", "weight"):
            if (getattr(self, name) is not None) != (action is not None and action.value_field == name):
                those = " or ".join(each.name for each in ACTIONS.values() if each.value_field == name)
                raise field_error(f"expected {name} with act: {those}, and only there", self.act or self.fault)
        if self.phase is not None and self.repeat is not None and self.repeat.phases is not None:
            raise field_error("expected either phase or repeat.phases", "both")
        return self
