"""Parse quantities with units: `100ms`, `30s`, `200/s`, `80%`. A number without a unit is ambiguous and refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*(\S*)")
_SECONDS_PER = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_HERTZ_PER = {"/s": 1.0, "/min": 1 / 60}
_FRACTION_PER = {"%": 0.01}
_BYTES_PER = {"B": 1.0, "KiB": 1024.0, "MiB": 1024.0**2}
_RATIO = re.compile(r"(\d{1,4})/([1-9]\d{0,3})")


def _read(value: Any, units: dict[str, float], noun: str, example: str) -> float:
    wanted = f"expected {noun} with a unit, such as {example}"
    if isinstance(value, bool | int | float):
        raise PydanticCustomError("quantity", "{wanted}; got a bare {got}", {"wanted": wanted, "got": str(value)})
    match = _QUANTITY.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or match[2] not in units:
        raise PydanticCustomError("quantity", "{wanted}; got {got}", {"wanted": wanted, "got": repr(value)})
    # Rounded because 1500 × 0.001 is not exactly 1.5, and plans are compared byte by byte.
    return round(float(match[1]) * units[match[2]], 9)


def parse_duration(value: Any) -> float:
    """Return the seconds of `100ms`, `1.5s`, `2m` or `1h`. Raise PydanticCustomError, which is a ValueError."""
    return _read(value, _SECONDS_PER, "a duration", "500ms or 2s")


def parse_rate(value: Any) -> float:
    """Return the events per second of `200/s` or `30/min`. Raise PydanticCustomError."""
    return _read(value, _HERTZ_PER, "a rate", "200/s or 30/min")


def parse_share(value: Any) -> float:
    """Return the fraction of `80%`. Raise PydanticCustomError outside 0–100 %."""
    share = _read(value, _FRACTION_PER, "a share", "80%")
    if share > 1.0:
        raise PydanticCustomError("quantity", "expected a share of at most 100%; got {got}", {"got": repr(value)})
    return share


def parse_size(value: Any) -> int:
    """Return the bytes of `512B`, `4KiB` or `1MiB`. Raise PydanticCustomError."""
    return int(_read(value, _BYTES_PER, "a size", "512B or 4KiB"))


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
    """Return the number without an exponent, with the precision of `_read`."""
    return f"{value:.9f}".rstrip("0").rstrip(".")


def _text(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern})


_DURATION_SCHEMA: dict[str, Any] = {"type": "string", "pattern": r"^\d+(\.\d+)?(ms|s|m|min|h)$"}
Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(lambda seconds: f"{_decimal(seconds)}s", when_used="json"),
    WithJsonSchema(_DURATION_SCHEMA),
]
"""Seconds, written with a unit."""
Rate = Annotated[float, BeforeValidator(parse_rate), _text(r"^\d+(\.\d+)?/(s|min)$")]
"""Events per second, written with a unit."""
Share = Annotated[
    float,
    BeforeValidator(parse_share),
    PlainSerializer(lambda share: f"{_decimal(share * 100)}%", when_used="json"),
    _text(r"^\d+(\.\d+)?%$"),
]
"""A fraction in 0–1."""
Size = Annotated[int, BeforeValidator(parse_size), _text(r"^\d+(\.\d+)?(B|KiB|MiB)$")]
"""Bytes, written with a unit."""
PhaseOfInterval = Annotated[float, BeforeValidator(parse_phase), _text(r"^(\d{1,4}/\d{1,4}|\d+(\.\d+)?%)$")]
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
