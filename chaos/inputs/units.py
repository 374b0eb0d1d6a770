"""Parses quantities with units: `1500ms`, `2s`, `5min`, `30%`, `6/min`, `1mbit`, `64MiB`.

A number without a unit is refused. `QUANTITIES` is the whole grammar; it is published with the fault kinds.
docs/interfaces.md describes it, and `tests/support/unit_grammar.py` compares it with the balancer's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BeforeValidator


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number followed by a unit."""

    base: str
    """Unit to which values are converted."""
    units: Mapping[str, float]
    """Size of each unit in `base`."""
    written_in: str
    """Unit in which limits are shown."""
    expected: str
    """Description for error messages, such as `a duration such as 500ms`."""
    maximum: float | None = None
    whole: bool = False
    """Whether a value must be a whole number of `base`."""

    @property
    def pattern(self) -> str:
        """Regular expression for the whole text, with the number and the unit as groups."""
        return rf"^(\d{{1,15}}(?:\.\d{{1,15}})?)\s*({'|'.join(self.units)})$"

    def parse(self, value: object) -> float:
        """Return the value in `base`. Raise ValueError with what was expected."""
        match = re.match(self.pattern, value.strip(), re.ASCII) if isinstance(value, str) else None
        amount = round(float(match[1]) * self.units[match[2]], 12) if match else 0.0  # 57 × 0.01 is not 0.57
        too_much = self.maximum is not None and amount > self.maximum
        if match is None or too_much or (self.whole and not amount.is_integer()):
            raise ValueError(f"expected {self.expected}, not {value!r}")
        return amount

    def written(self, value: float) -> str:
        """Return the value as text with its unit."""
        return f"{value / self.units[self.written_in]:.12g}{self.written_in}"


QUANTITIES: Final = {
    "duration": Quantity(
        "seconds",
        {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0},
        "s",
        "a duration with its unit, such as 500ms, 2s or 5min",
    ),
    "share": Quantity("fraction", {"%": 0.01}, "%", "a percentage of at most 100%, such as 30%", maximum=1.0),
    "rate": Quantity(
        "events per second",
        {"/s": 1.0, "/min": 1 / 60, "/h": 1 / 3600},
        "/s",
        "a rate with its unit, such as 200/s, 6/min or 10/h",
    ),
    "bit_rate": Quantity(
        "bits per second",
        {"kbit": 1e3, "mbit": 1e6, "gbit": 1e9},  # decimal, as tc has them
        "kbit",
        "a rate with its unit, such as 500kbit, 1mbit or 1gbit",
    ),
    "size": Quantity(
        "bytes",
        {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30},
        "KiB",
        "a size with its unit, such as 512B, 64MiB or 1GiB",
        whole=True,
    ),
}


def parse_duration(value: object) -> float:
    """Return seconds. Raise ValueError with what was expected."""
    return QUANTITIES["duration"].parse(value)


def parse_percent(value: object) -> float:
    """Return a fraction, 0–1. Raise ValueError with what was expected."""
    return QUANTITIES["share"].parse(value)


def parse_rate(value: object) -> float:
    """Return events per second. Raise ValueError with what was expected."""
    return QUANTITIES["rate"].parse(value)


def parse_bits_per_second(value: object) -> float:
    """Return bits per second. Raise ValueError with what was expected."""
    return QUANTITIES["bit_rate"].parse(value)


def parse_bytes(value: object) -> int:
    """Return bytes. Raise ValueError with what was expected."""
    return int(QUANTITIES["size"].parse(value))


_PARSERS: Final[dict[object, str]] = {
    parse_duration: "duration",
    parse_percent: "share",
    parse_bits_per_second: "bit_rate",
    parse_bytes: "size",
}


def quantity_of(parser: object) -> str | None:
    """Return the name of the quantity that `parser` parses, or None."""
    return _PARSERS.get(parser)


def written(parser: object, value: Any) -> str:
    """Return a value as text in the unit of `parser`, or as a plain number if `parser` parses no quantity."""
    name = quantity_of(parser)
    return repr(value) if name is None or not isinstance(value, int | float) else QUANTITIES[name].written(value)


Seconds = Annotated[float, BeforeValidator(parse_duration, json_schema_input_type=str)]
"""Type of a field that is written with a unit and parsed to seconds."""

Share = Annotated[float, BeforeValidator(parse_percent, json_schema_input_type=str)]
"""Type of a field that is written in percent and parsed to a fraction, 0–1."""

BitRate = Annotated[float, BeforeValidator(parse_bits_per_second, json_schema_input_type=str)]
"""Type of a field that is written like `1mbit` and parsed to bits per second."""

Size = Annotated[int, BeforeValidator(parse_bytes, json_schema_input_type=str)]
"""Type of a field that is written like `64MiB` and parsed to bytes."""
