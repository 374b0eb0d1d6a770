"""Parse quantities with units: `100ms`, `30s`, `200/s`, `80%`. A number without a unit is ambiguous and refused.

The grammar is the one that the chaos service publishes with its fault kinds (`fault_kinds.json`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

FAULT_KINDS_FILE: Final = Path(__file__).with_name("fault_kinds.json")
_RATIO = re.compile(r"(\d{1,4})/([1-9]\d{0,3})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Quantity:
    """The grammar of a number with a unit."""

    pattern: str
    units: Mapping[str, float]
    """Unit → its size in the base unit."""
    written_in: str
    expected: str
    """Text for error messages, after "expected", such as `a duration such as 500ms`."""
    maximum: float | None
    whole: bool
    """Whether a value must be a whole number of the base unit."""

    @classmethod
    def published(cls, document: Mapping[str, Any]) -> dict[str, Self]:
        """Return the quantities in a document as `GET /faults/kinds` answers it, by name."""
        fields = cls.__dataclass_fields__
        return {name: cls(**{each: told[each] for each in fields}) for name, told in document["quantities"].items()}

    def parse(self, value: object) -> float:
        """Return the value in the base unit. Raise ValueError if it is no such quantity."""
        match = re.match(self.pattern, value.strip(), re.ASCII) if isinstance(value, str) else None
        # Rounded because 1500 × 0.001 is not exactly 1.5, and plans are compared byte by byte.
        amount = round(float(match[1]) * self.units[match[2]], 12) if match else 0.0
        too_much = self.maximum is not None and amount > self.maximum
        if match is None or too_much or (self.whole and not amount.is_integer()):
            raise ValueError(f"expected {self.expected}")
        return amount

    def written(self, value: float) -> str:
        """Return a value as text with its unit."""
        return f"{value / self.units[self.written_in]:.12g}{self.written_in}"


_QUANTITIES: Final = Quantity.published(json.loads(FAULT_KINDS_FILE.read_text(encoding="utf-8")))


def _read(name: str, value: object) -> float:
    try:
        return _QUANTITIES[name].parse(value)
    except ValueError as error:
        message = {"wanted": str(error), "got": repr(value)}
        raise PydanticCustomError("quantity", "{wanted}; got {got}", message) from error


def parse_duration(value: object) -> float:
    """Return the seconds of `100ms`, `1.5s`, `2m` or `1h`. Raise PydanticCustomError, which is a ValueError."""
    return _read("duration", value)


def parse_rate(value: object) -> float:
    """Return the events per second of `200/s` or `30/min`. Raise PydanticCustomError."""
    return _read("rate", value)


def parse_share(value: object) -> float:
    """Return the fraction of `80%`. Raise PydanticCustomError outside 0–100 %."""
    return _read("share", value)


def parse_size(value: object) -> int:
    """Return the bytes of `512B`, `4KiB` or `1MiB`. Raise PydanticCustomError."""
    return int(_read("size", value))


def parse_phase(value: Any) -> float:
    """Return the part of a period, in [0, 1), of `3/8` or `25%`. Raise PydanticCustomError."""
    match = _RATIO.fullmatch(value.strip()) if isinstance(value, str) else None
    phase = float(Fraction(int(match[1]), int(match[2]))) if match else parse_share(value)
    if phase >= 1.0:
        raise PydanticCustomError(
            "quantity", "expected a part of a period below 1, such as 3/8; got {got}", {"got": repr(value)}
        )
    return phase


_A_RANGE = "expected a duration or {between: [1s, 3s]}"


@dataclass(frozen=True, slots=True)
class DurationRange:
    """A duration in seconds; if `low` and `high` differ, the seed selects one between them."""

    low: float
    high: float


def parse_duration_range(value: Any) -> DurationRange:
    """Return the range of `2s` or `{between: [1s, 3s]}`. Raise PydanticCustomError."""
    if isinstance(value, DurationRange):
        return value
    if not isinstance(value, dict):
        seconds = parse_duration(value)
        return DurationRange(seconds, seconds)
    ends = value.get("between")
    if set(value) != {"between"} or not isinstance(ends, list) or len(ends) != 2:
        raise PydanticCustomError("quantity", "{wanted}; got {got}", {"wanted": _A_RANGE, "got": repr(value)})
    low, high = map(parse_duration, ends)
    if low > high:
        raise PydanticCustomError("quantity", "expected the shorter duration first; got {got}", {"got": repr(ends)})
    return DurationRange(low, high)


def _decimal(value: float) -> str:
    """Return the number without an exponent, without binary noise."""
    return f"{value:.9f}".rstrip("0").rstrip(".")


def _json_schema(name: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": _QUANTITIES[name].pattern})


_DURATION_SCHEMA: dict[str, Any] = {"type": "string", "pattern": _QUANTITIES["duration"].pattern}
Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(lambda seconds: f"{_decimal(seconds)}s", when_used="json"),
    WithJsonSchema(_DURATION_SCHEMA),
]
"""Seconds, written with a unit."""
WITHIN_BOUND: Final = "within_bound"


def parse_time_limit(value: object) -> str | float:
    """Return `within_bound`, or the seconds of a duration above 0. Raise PydanticCustomError."""
    if value == WITHIN_BOUND:
        return WITHIN_BOUND
    try:
        seconds = parse_duration(value)
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        wanted = f"expected {WITHIN_BOUND} or a duration above 0 such as 2s; got {{got}}"
        raise PydanticCustomError("quantity", wanted, {"got": repr(value)})
    return seconds


TimeLimit = Annotated[
    Literal["within_bound"] | float,
    BeforeValidator(parse_time_limit),
    PlainSerializer(lambda limit: limit if limit == WITHIN_BOUND else f"{_decimal(limit)}s", when_used="json"),
    WithJsonSchema({"anyOf": [{"const": WITHIN_BOUND}, _DURATION_SCHEMA]}),
]
"""A limit that the balancer's configuration implies (`within_bound`), or seconds, written with a unit."""
Rate = Annotated[float, BeforeValidator(parse_rate), _json_schema("rate")]
"""Events per second, written with a unit."""
Share = Annotated[
    float,
    BeforeValidator(parse_share),
    PlainSerializer(lambda share: f"{_decimal(share * 100)}%", when_used="json"),
    _json_schema("share"),
]
"""A fraction in 0–1."""
Size = Annotated[int, BeforeValidator(parse_size), _json_schema("size")]
"""Bytes, written with a unit."""
_PHASE_SCHEMA = {"type": "string", "pattern": rf"^\d{{1,4}}/\d{{1,4}}$|{_QUANTITIES['share'].pattern}"}
PhaseOfInterval = Annotated[float, BeforeValidator(parse_phase), WithJsonSchema(_PHASE_SCHEMA)]
"""A part of a period, in [0, 1)."""
_BETWEEN_SCHEMA = {"type": "array", "items": _DURATION_SCHEMA, "minItems": 2, "maxItems": 2}
DurationRangeField = Annotated[
    DurationRange,
    BeforeValidator(parse_duration_range),
    WithJsonSchema(
        {
            "anyOf": [
                _DURATION_SCHEMA,
                {
                    "type": "object",
                    "properties": {"between": _BETWEEN_SCHEMA},
                    "required": ["between"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
"""A duration or a range of durations, as written in a scenario."""
