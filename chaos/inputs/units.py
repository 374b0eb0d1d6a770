"""Quantities as people write them: `1500ms`, `2s`, `5min`, `30%`, `1mbit`, `64MiB`.

A bare number is refused: it has no unit.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
DURATION_PATTERN = r"^\d+(\.\d+)?\s*(us|ms|s|min|m|h)$"
"""For documents; what is accepted may also have space around it."""
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|min|m|h)", re.ASCII)
_BITS = {"kbit": 1e3, "mbit": 1e6, "gbit": 1e9}
_BIT_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*(kbit|mbit|gbit)", re.ASCII)
_BYTES = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(KiB|MiB|GiB)", re.ASCII)
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
        raise ValueError(f"expected a percentage of at most 100%, such as 30%, not {value!r}")
    return float(match[1]) / 100


def parse_bits_per_second(value: object) -> float:
    """Bits per second (k, m, g are decimal, as tc has them). Raises ValueError that names what was expected."""
    match = _BIT_RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"expected a rate with its unit, such as 500kbit, 1mbit or 1gbit, not {value!r}")
    return float(match[1]) * _BITS[match[2]]


def parse_bytes(value: object) -> int:
    """Bytes. Raises ValueError that names what was expected."""
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"expected a size with its unit, such as 512KiB, 64MiB or 1GiB, not {value!r}")
    return round(float(match[1]) * _BYTES[match[2]])


_UNITS: dict[object, tuple[float, str]] = {
    parse_duration: (1.0, "s"),
    parse_percent: (0.01, "%"),
    parse_bits_per_second: (1e3, "kbit"),
    parse_bytes: (1 << 10, "KiB"),
}


def written(parser: object, value: Any) -> str:
    """A value as it is written where `parser` reads it; a plain number elsewhere."""
    if parser not in _UNITS or not isinstance(value, int | float):
        return repr(value)
    scale, unit = _UNITS[parser]
    return f"{value / scale:.12g}{unit}"


Seconds = Annotated[float, BeforeValidator(parse_duration, json_schema_input_type=str)]
"""A field that is written with a unit and read as seconds."""

Share = Annotated[float, BeforeValidator(parse_percent, json_schema_input_type=str)]
"""A field that is written in percent and read as 0–1."""

BitRate = Annotated[float, BeforeValidator(parse_bits_per_second, json_schema_input_type=str)]
"""A field that is written like `1mbit` and read as bits per second."""

Size = Annotated[int, BeforeValidator(parse_bytes, json_schema_input_type=str)]
"""A field that is written like `64MiB` and read as bytes."""
