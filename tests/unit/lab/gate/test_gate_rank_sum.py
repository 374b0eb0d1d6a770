"""The rank-sum test: against the enumeration of all divisions into two groups, and against published examples."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.gate.rank_sum import Shift, holm, p_larger, shift, smallest_p

VALUES = st.lists(st.sampled_from([0.0, 1.0, 2.0, 2.5, 7.0, math.inf]), min_size=1, max_size=5)


def enumerated(before: list[float], after: list[float]) -> float:
    """Count the divisions of all values in which `after` wins at least as many comparisons, ties half."""

    def wins(chosen: tuple[int, ...]) -> float:
        rest = [values[index] for index in range(len(values)) if index not in chosen]
        pairs = [(one, values[index]) for one in rest for index in chosen]
        return sum(1.0 if other > one else 0.5 if other == one else 0.0 for one, other in pairs)

    values = [*before, *after]
    observed = wins(tuple(range(len(before), len(values))))
    divisions = list(itertools.combinations(range(len(values)), len(after)))
    return sum(wins(chosen) >= observed for chosen in divisions) / len(divisions)


@given(VALUES, VALUES)
def test_the_probability_is_that_of_all_divisions_ties_included(before: list[float], after: list[float]) -> None:
    assert p_larger(before, after) == pytest.approx(enumerated(before, after))


def test_a_known_example() -> None:
    """Permeability of the human chorioamnion at term and at 12 to 26 weeks, of Hollander, Wolfe, Chicken, examples 4.1
    and 4.3: P(W ≥ 30) = 0.127 for smaller values in the second group, shift -0.305."""
    term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    early = [1.15, 0.88, 0.90, 0.74, 1.21]
    assert p_larger(early, term) == pytest.approx(0.127, abs=0.0005)
    found = shift(term, early, 0.95)
    assert found.median == pytest.approx(-0.305)
    assert found.low is not None
    assert found.high is not None
    assert (found.low, found.high) == (pytest.approx(-0.76), pytest.approx(0.15))


def test_the_smallest_probability_needs_groups_that_do_not_overlap() -> None:
    assert p_larger([1, 2, 3], [4, 5, 6]) == smallest_p(3, 3) == 1 / 20
    assert p_larger([4, 5, 6], [1, 2, 3]) == 1.0
    assert p_larger([5, 5], [5, 5]) == 1.0


@pytest.mark.parametrize(("before", "after"), [(6, 6), (6, 4), (3, 9)])
def test_the_interval_covers_the_shift_as_often_as_it_says(before: int, after: int) -> None:
    generator = random.Random(5)
    tries, covered = 1000, 0
    for _ in range(tries):
        old = [generator.random() for _ in range(before)]
        found = shift(old, [generator.random() + 1.0 for _ in range(after)], 0.9)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 1.0 <= found.high
    assert covered / tries >= 0.88  # 90 %, less two standard errors


def test_what_never_happens_is_later_than_anything() -> None:
    assert shift([0.5] * 6, [math.inf] * 6, 0.95) == Shift(math.inf, math.inf, math.inf)
    assert shift([math.inf] * 6, [math.inf] * 6, 0.95) == Shift(0.0, 0.0, 0.0)
    assert shift([math.inf] * 6, [0.5] * 6, 0.95).median == -math.inf
    assert shift([math.inf, 0.5], [0.5, math.inf], 0.95).median == 0.0
    assert shift([math.inf, 0.5], [0.75, math.inf], 0.95).median == pytest.approx(0.125)
    assert p_larger([0.5] * 6, [math.inf] * 6) == smallest_p(6, 6)


def test_groups_that_are_too_small_have_no_interval() -> None:
    assert shift([1.0, 2.0], [4.0, 6.0], 0.95) == Shift(3.5, None, None)


def test_holm_corrects_from_the_smallest_on() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005], 4) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.01], 10) == pytest.approx([0.1])
    assert holm([0.5, 0.6], 2) == pytest.approx([1.0, 1.0])
    assert holm([], 3) == []


def test_a_hundred_values_are_computed_exactly() -> None:
    """Far more than a list of the divisions could hold: there are 10^29."""
    generator = random.Random(1)
    before, after = ([generator.random() for _ in range(50)] for _ in range(2))
    assert p_larger(before, after) + p_larger(after, before) > 1
    assert p_larger(before, [each + 1 for each in after]) == smallest_p(50, 50)
