"""Quantities as people write them: `100ms`, `30s`, `200/s`, `80%`. A bare number could mean anything: refused."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*(\S*)")
_SECONDS_PER = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_HERTZ_PER = {"/s": 1.0, "/min": 1 / 60}
_FRACTION_PER = {"%": 0.01}


def _read(value: Any, units: dict[str, float], noun: str, example: str) -> float:
    wanted = f"expected {noun} with a unit, such as {example}"
    if isinstance(value, bool | int | float):
        raise PydanticCustomError("quantity", "{wanted}; got a bare {got}", {"wanted": wanted, "got": str(value)})
    match = _QUANTITY.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or match[2] not in units:
        raise PydanticCustomError("quantity", "{wanted}; got {got}", {"wanted": wanted, "got": repr(value)})
    # Rounded, because 1500 × 0.001 is not 1.5 and a plan is compared byte by byte.
    return round(float(match[1]) * units[match[2]], 9)


def parse_duration(value: Any) -> float:
    """Seconds from `100ms`, `1.5s`, `2m` or `1h`. Raises PydanticCustomError, which is a ValueError."""
    return _read(value, _SECONDS_PER, "a duration", "500ms or 2s")


def parse_rate(value: Any) -> float:
    """Events per second from `200/s` or `30/min`. Raises PydanticCustomError."""
    return _read(value, _HERTZ_PER, "a rate", "200/s or 30/min")


def parse_share(value: Any) -> float:
    """A fraction from `80%`. Raises PydanticCustomError outside 0–100 %."""
    share = _read(value, _FRACTION_PER, "a share", "80%")
    if share > 1.0:
        raise PydanticCustomError("quantity", "expected a share of at most 100%; got {got}", {"got": repr(value)})
    return share


def _text(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern})


Duration = Annotated[float, BeforeValidator(parse_duration), _text(r"^\d+(\.\d+)?(ms|s|m|min|h)$")]
"""Seconds."""
Rate = Annotated[float, BeforeValidator(parse_rate), _text(r"^\d+(\.\d+)?/(s|min)$")]
"""Per second."""
Share = Annotated[float, BeforeValidator(parse_share), _text(r"^\d+(\.\d+)?%$")]
"""A fraction in 0–1."""
