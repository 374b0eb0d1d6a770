from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.support.balancing import make_backends, make_exchange, make_policy, picks


@given(count=st.integers(1, 30), skipped=st.integers(0, 40))
def test_each_backend_once_in_every_cycle(count: int, skipped: int) -> None:
    backends = make_backends([1.0] * count)
    policy = make_policy("round_robin")
    picks(policy, backends, skipped)
    assert Counter(picks(policy, backends, count)) == Counter(backend.id for backend in backends)


def test_it_keeps_its_place_when_another_backend_leaves() -> None:
    backends = make_backends([1.0] * 5)
    policy = make_policy("round_robin")
    assert picks(policy, backends, 3) == ["api-1", "api-2", "api-3"]
    without_second = (backends[0], *backends[2:])
    assert picks(policy, without_second, 4) == ["api-4", "api-5", "api-1", "api-3"]


def test_it_goes_on_with_the_successor_when_the_next_in_turn_leaves() -> None:
    backends = make_backends([1.0] * 4)
    policy = make_policy("round_robin")
    picks(policy, backends, 2)
    assert picks(policy, (*backends[:2], backends[3]), 2) == ["api-4", "api-1"]


def test_an_empty_moment_does_not_send_it_back_to_the_start() -> None:
    backends = make_backends([1.0] * 3)
    policy = make_policy("round_robin")
    picks(policy, backends, 2)
    assert policy.pick((), make_exchange(), Random(1), 0.0) is None
    assert picks(policy, backends, 1) == ["api-3"]


@given(st.lists(st.tuples(st.integers(1, 6), st.sets(st.integers(0, 7), min_size=1)), max_size=30))
def test_nobody_is_picked_twice_before_another_that_stayed_was_picked_once(
    phases: list[tuple[int, set[int]]],
) -> None:
    """Between two picks of a backend, every other backend that was a candidate all the time had a turn."""
    backends = make_backends([1.0] * 8)
    policy = make_policy("round_robin")
    history: list[tuple[str, frozenset[str]]] = []
    for length, members in phases:
        candidates = tuple(backends[n] for n in sorted(members))
        present = frozenset(backend.id for backend in candidates)
        history += [(picked, present) for picked in picks(policy, candidates, length)]
    for start, (picked, _) in enumerate(history):
        end = next((n for n in range(start + 1, len(history)) if history[n][0] == picked), None)
        if end is None:
            continue
        stayed = frozenset.intersection(*(present for _, present in history[start : end + 1]))
        assert stayed <= {other for other, _ in history[start:end]}


def test_in_slow_start_a_backend_takes_its_share_of_turns() -> None:
    backends = make_backends([1.0] * 3)
    backends[1].effective_weight = 0.2
    shares = Counter(picks(make_policy("round_robin"), backends, 6600))
    # Of each round it takes one turn in five: 1 of 11 picks, 600; four standard deviations are about 90.
    assert abs(shares["api-2"] - 600) < 90


def test_a_retry_goes_to_the_next_and_spends_its_turn() -> None:
    backends = make_backends([1.0] * 3)
    policy = make_policy("round_robin")
    assert picks(policy, backends, 1) == ["api-1"]
    retried = policy.pick(backends, make_exchange(tried=[backends[1]]), Random(1), 0.0)
    assert retried is backends[2]
    assert picks(policy, backends, 1) == ["api-1"]
