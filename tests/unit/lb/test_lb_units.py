from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.config import units


@pytest.mark.parametrize(
    ("parse", "message"),
    [
        (units.duration, "'5x' is not a duration such as 500ms"),
        (units.share, "'5x' is not a share such as 20%"),
        (units.size, "'5x' is not a size such as 512B"),
    ],
)
def test_what_cannot_be_read_is_refused_with_an_example(parse: Callable[[object], object], message: str) -> None:
    """`tests/meta/test_unit_grammar.py` has what is accepted and refused."""
    with pytest.raises(ValueError, match=message):
        parse("5x")


@pytest.mark.parametrize(
    ("parse", "value", "hint"),
    [
        (units.duration, 500, "500 has no unit: write 500ms or 500s"),
        (units.share, 0.2, "0.2 has no unit: write 20%"),
        (units.share, 20, "20 has no unit: write 20%"),
        (units.size, 32, "32 has no unit: write 32B or 32KiB"),
    ],
)
def test_a_bare_number_is_refused_with_what_to_write(
    parse: Callable[[object], object], value: object, hint: str
) -> None:
    with pytest.raises(ValueError, match=hint):
        parse(value)


def test_zero_is_refused_where_a_value_must_be_positive() -> None:
    with pytest.raises(ValueError, match="'0s' must be above zero"):
        units.positive_duration("0s")
    with pytest.raises(ValueError, match="'0B' must be above zero"):
        units.positive_size("0B")


def test_durations_are_shown_as_people_write_them() -> None:
    shown = [units.format_duration(seconds) for seconds in (0, 0.00025, 0.05, 0.5, 1, 2.5, 60, 75, 120, 3600, 5400)]

    assert shown == ["0s", "250us", "50ms", "500ms", "1s", "2.5s", "1m", "75s", "2m", "1h", "90m"]


@given(st.integers(0, 10_000_000))
def test_every_duration_in_ms_survives_being_shown(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert units.duration(units.format_duration(seconds)) == pytest.approx(seconds, rel=1e-9)


@given(st.integers(0, 1000))
def test_every_share_survives_being_shown(permille: int) -> None:
    assert units.share(units.format_share(permille / 1000)) == pytest.approx(permille / 1000)


@given(st.integers(1, 1 << 40))
def test_every_size_survives_being_shown(count: int) -> None:
    assert units.size(units.format_size(count)) == count


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), ("api-1:8000", ("api-1", 8000)), ("[::1]:0", ("::1", 0))],
)
def test_addresses_are_parsed_and_shown(text: str, address: tuple[str, int]) -> None:
    assert units.address(text) == address
    assert str(units.address(text)) == text


@pytest.mark.parametrize("text", ["8080", ":8080", "host", "host:", "host:65536", "::1:80", "http://host:80", 8080])
def test_what_is_not_an_address(text: object) -> None:
    with pytest.raises(ValueError, match="is not an address such as"):
        units.address(text)
