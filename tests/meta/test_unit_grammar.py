"""A quantity with a unit means the same, or is refused alike, wherever it is written."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from chaos.inputs import units as chaos_units
from lab.scenario import fault_kinds
from lab.scenario import units as lab_units
from lb.config import units as lb_units
from tests.support.unit_grammar import ACCEPTED, refused

Parse = Callable[[object], float]

PARSERS: dict[str, dict[str, Parse]] = {
    "duration": {
        "lb": lb_units.duration,
        "chaos": chaos_units.parse_duration,
        "scenarios": lab_units.parse_duration,
    },
    "share": {"lb": lb_units.share, "chaos": chaos_units.parse_percent, "scenarios": lab_units.parse_share},
    "size": {"lb": lb_units.size, "chaos": chaos_units.parse_bytes, "scenarios": lab_units.parse_size},
    "rate": {"chaos": chaos_units.parse_rate, "scenarios": lab_units.parse_rate},
    "bit_rate": {"chaos": chaos_units.parse_bits_per_second},
}
for quantity, published in fault_kinds.built_in().quantities.items():
    PARSERS[quantity]["fault parameters in a scenario"] = published.parse

CASES = [(quantity, package) for quantity, parsers in PARSERS.items() for package in parsers]


@pytest.mark.parametrize(("quantity", "package"), CASES)
def test_a_quantity_means_the_same_everywhere(quantity: str, package: str) -> None:
    parse = PARSERS[quantity][package]
    read = {text: parse(text) for text in ACCEPTED[quantity]}
    assert read == pytest.approx(ACCEPTED[quantity], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("quantity", "package"), CASES)
def test_what_one_refuses_all_refuse(quantity: str, package: str) -> None:
    parse = PARSERS[quantity][package]
    assert [value for value in refused(quantity) if _accepts(parse, value)] == []


def _accepts(parse: Parse, value: object) -> bool:
    try:
        parse(value)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("quantity", sorted(ACCEPTED))
def test_published_patterns_match_what_is_accepted(quantity: str) -> None:
    """An editor checks scenarios with them; it does not see space around a value."""
    pattern = chaos_units.QUANTITIES[quantity].pattern
    for text in ACCEPTED[quantity]:
        assert re.search(pattern, text.strip(), re.ASCII), text
