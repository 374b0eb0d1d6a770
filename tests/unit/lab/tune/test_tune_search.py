"""The search finds few and small changes, also where only several together have an effect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.tune.search import Search, State


def values(candidates: Sequence[Sequence[float]], present: Sequence[float], state: State) -> list[float]:
    return [
        before if chosen is None else own[chosen]
        for own, before, chosen in zip(candidates, present, state, strict=True)
    ]


def search(
    candidates: Sequence[Sequence[float]],
    present: Sequence[float],
    score: Callable[..., float | None],
    each: float = 10.0,
) -> tuple[list[float], Search]:
    costs = [[each + abs(one - before) for one in own] for own, before in zip(candidates, present, strict=True)]
    found = Search(costs, lambda state: score(*values(candidates, present, state)))
    return values(candidates, present, found.best()), found


def test_nothing_changes_if_everything_is_met() -> None:
    found, used = search([[1, 2]], [5], lambda _: 0.0)
    assert found == [5]
    assert len(used.tried) == 1


def test_one_change_is_better_than_two() -> None:
    # Either x = 1 alone, or x = 2 with y = 2.
    found, _ = search([[1, 2], [2]], [9, 9], lambda x, y: max(0.0, x - (2 if y == 2 else 1)))
    assert found == [1, 9]


def test_the_smallest_sufficient_change_is_taken() -> None:
    found, _ = search([[1, 2, 3, 4, 5]], [9], lambda x: max(0.0, x - 4))
    assert found == [4]


def test_changes_that_help_only_together_are_found() -> None:
    found, _ = search([[1, 2], [1, 2], [1, 2]], [9, 9, 9], lambda x, y, z: 0.0 if x < 9 and y < 9 else 5.0)
    assert found == [2, 2, 9]


def test_large_values_that_help_only_together_with_a_small_one_are_found() -> None:
    # As in nginx: a short time-out helps only if a server stays out for long, and the first gain leads astray.
    def score(timeout: float, out: float) -> float:
        return timeout if timeout + out > 60 else 60.0

    found, _ = search([[1, 2, 30], [1, 10, 60, 120]], [60, 10], score)
    assert found == [1, 60]


def test_a_state_that_is_not_possible_is_never_chosen() -> None:
    found, _ = search([[1, 2], [1]], [9, 9], lambda x, y: None if x == 1 else float(x + y))
    assert found == [2, 1]


def test_without_a_solution_the_best_is_returned_without_idle_changes() -> None:
    found, _ = search([[3, 4], [1, 2]], [9, 9], lambda x, _: float(x))
    assert found == [3, 9]


def test_each_state_is_scored_once() -> None:
    calls: list[tuple[float, float]] = []

    def score(x: float, y: float) -> float:
        calls.append((x, y))
        return x + y

    search([[1, 2, 3], [1, 2, 3]], [9, 9], score)
    assert len(calls) == len(set(calls))


def test_without_settings_the_start_is_the_best() -> None:
    assert Search([], lambda _: 3.0).best() == ()


@given(
    st.lists(st.lists(st.integers(0, 20), min_size=1, max_size=4, unique=True), min_size=1, max_size=4),
    st.integers(0, 60),
)
def test_a_sum_is_brought_down_to_its_bound_wherever_that_is_possible(ladders: list[list[int]], bound: int) -> None:
    candidates = [sorted(each) for each in ladders]
    present = [25] * len(candidates)
    found, _ = search(candidates, present, lambda *all_: max(0.0, sum(all_) - bound))
    least = sum(min(each) for each in candidates)
    assert sum(found) <= bound if least <= bound else sum(found) == least
    for number, chosen in enumerate(found):
        if chosen != present[number] and least <= bound:  # no change can be taken back
            assert sum(found) - chosen + present[number] > bound


@pytest.mark.parametrize("bound", range(0, 30, 3))
def test_no_cheaper_solution_exists_in_small_cases(bound: int) -> None:
    candidates, present = [[1, 4, 7], [2, 5], [3, 6]], [10, 10, 10]
    found, _ = search(candidates, present, lambda *all_: max(0.0, sum(all_) - bound), each=100.0)
    states = list(product((None, 0, 1, 2), (None, 0, 1), (None, 0, 1)))
    solutions = [state for state in states if sum(values(candidates, present, state)) <= bound]
    if solutions:
        fewest = min(sum(chosen is not None for chosen in state) for state in solutions)
        assert sum(one != before for one, before in zip(found, present, strict=True)) == fewest
