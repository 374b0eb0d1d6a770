"""Quantities with units as people write them, each with its meaning: one table for the parsers of all packages.

The packages share no code, so each has a parser of its own; `tests/meta/test_unit_grammar.py` runs all of them on it.
The grammar is described in docs/interfaces.md.
"""

from __future__ import annotations

from typing import Final

NO_NUMBER: Final = ("", " ", "s", "%", "/s", "KiB", "-1{}", "+1{}", "1e3{}", ".5{}", "1.{}", "1,5{}", "1_0{}", "0x1{}")
"""Texts that no quantity accepts; `{}` stands for any unit."""
NO_NUMBER_EITHER: Final = ("1{}1{}", "1{}2", "nan{}", "inf{}", "٥{}", "1" * 16 + "{}", "1", "1 ", "1parsec", "1\n{}x")
BARE: Final[tuple[object, ...]] = (0, 1, 5, 0.2, True, False, None, [], {})
"""Values without a unit, as YAML and JSON have them."""

ACCEPTED: Final[dict[str, dict[str, float]]] = {
    "duration": {
        "0s": 0.0,
        "500us": 5e-4,
        "250ms": 0.25,
        "1500ms": 1.5,
        "1s": 1.0,
        "1 s": 1.0,
        " 3s ": 3.0,
        "0.5 \t s": 0.5,
        "007s": 7.0,
        "2m": 120.0,
        "2min": 120.0,
        "1.5min": 90.0,
        "1h": 3600.0,
    },
    "share": {"0%": 0.0, "12.5%": 0.125, "57%": 0.57, "30 %": 0.3, "0.5%": 0.005, "100%": 1.0, "100.0%": 1.0},
    "size": {
        "0B": 0,
        "512B": 512,
        "32KiB": 32768,
        "1.5KiB": 1536,
        "64 MiB": 64 << 20,
        "1GiB": 1 << 30,
        "0.5GiB": 1 << 29,
    },
    "rate": {"0/s": 0.0, "50/s": 50.0, "0.5/s": 0.5, "200 /s": 200.0, "30/min": 0.5, "36/h": 0.01},
    "bit_rate": {"8kbit": 8e3, "1.5 mbit": 1.5e6, "10gbit": 1e10},
}
"""Quantity → text → its value in seconds, 0–1, bytes, events per second or bits per second."""

REFUSED: Final[dict[str, tuple[str, ...]]] = {
    "duration": ("1S", "500MS", "1 sec", "5 minutes", "1d", "1m30s", "1ns", "1µs", "50/s", "20%", "1KiB"),
    "share": ("101%", "100.1%", "0.2", "20percent", "20%%", "1s"),
    "size": ("1KB", "1kB", "1K", "1MB", "1kib", "0.5B", "0.3KiB", "1.0001KiB", "1TiB", "1mbit", "20%"),
    "rate": ("50", "50s", "50/ms", "50/m", "50/hour", "50 / s", "50Hz", "1/2s"),
    "bit_rate": ("1bit", "1Mbit", "1mbps", "1mbit/s", "1MiB"),
}
"""Quantity → texts that it refuses, beside those that every quantity refuses."""
UNIT: Final = {"duration": "s", "share": "%", "size": "KiB", "rate": "/s", "bit_rate": "mbit"}


def refused(quantity: str) -> list[object]:
    """Return everything that the quantity refuses."""
    without_number = [text.replace("{}", UNIT[quantity]) for text in NO_NUMBER + NO_NUMBER_EITHER]
    return [*REFUSED[quantity], *without_number, *BARE]
