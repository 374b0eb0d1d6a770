from __future__ import annotations

import pytest

from lb.core.slow_start import START, ramp


def test_the_ramp_begins_low_and_ends_at_the_whole_weight() -> None:
    assert ramp(0.0, 10.0) == START
    assert ramp(10.0, 10.0) == 1.0


def test_without_a_duration_there_is_no_ramp() -> None:
    assert ramp(0.0, 0.0) == 1.0


@pytest.mark.parametrize("percent", range(100))
def test_the_ramp_is_never_above_the_line_and_never_more_than_a_step_below(percent: int) -> None:
    line = 0.1 + 0.9 * percent / 100
    share = ramp(percent / 10, 10.0)
    assert share <= line + 1e-9
    assert share > line - 0.05 - 1e-9
