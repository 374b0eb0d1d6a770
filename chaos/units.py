"""Quantities as people write them: `1500ms`, `2s`, `5min`, `30%`. A bare number is refused: it has no unit."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
DURATION_PATTERN = r"^\d+(\.\d+)?\s*(us|ms|s|min|m|h)$"
"""For documents; what is accepted may also have space around it."""
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|min|m|h)", re.ASCII)
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%", re.ASCII)


def parse_duration(value: object) -> float:
    """Seconds. Raises ValueError that names what was expected."""
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"expected a duration with its unit, such as 500ms, 2s or 5min, not {value!r}")
    return float(match[1]) * _SECONDS[match[2]]


def parse_percent(value: object) -> float:
    """A share, 0–1. Raises ValueError that names what was expected."""
    match = _PERCENT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or float(match[1]) > 100:
        raise ValueError(f"expected a percentage, such as 30%, not {value!r}")
    return float(match[1]) / 100


Seconds = Annotated[float, BeforeValidator(parse_duration, json_schema_input_type=str)]
"""A field that is written with a unit and read as seconds."""

Share = Annotated[float, BeforeValidator(parse_percent, json_schema_input_type=str)]
"""A field that is written in percent and read as 0–1."""
