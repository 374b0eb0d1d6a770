from __future__ import annotations

import pytest

from chaos.inputs.units import parse_duration, parse_percent


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1500ms", 1.5), ("2s", 2.0), ("0.5 s", 0.5), ("5min", 300.0), ("1h", 3600.0), ("250us", 25e-5)],
)
def test_durations_have_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("value", [5, 1.5, "5", "", "s", "-1s", "1e3ms", "1 parsec", "5s5s", None, True, "٥s٥"])
def test_anything_else_is_refused_and_told_what_was_expected(value: object) -> None:
    with pytest.raises(ValueError, match="such as 500ms"):
        parse_duration(value)


@pytest.mark.parametrize(("text", "share"), [("30%", 0.3), ("0.5 %", 0.005), ("100%", 1.0)])
def test_percentages(text: str, share: float) -> None:
    assert parse_percent(text) == pytest.approx(share)


@pytest.mark.parametrize("value", [30, 0.3, "30", "101%", "-1%", None])
def test_a_share_without_percent_sign_or_out_of_range_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="such as 30%"):
        parse_percent(value)
