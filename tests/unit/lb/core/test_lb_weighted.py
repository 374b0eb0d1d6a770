from __future__ import annotations

from collections import Counter
from itertools import groupby
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.support.balancing import make_backends, make_exchange, make_policy, picks


@given(st.lists(st.integers(1, 20), min_size=1, max_size=10), st.integers(0, 4))
def test_shares_are_exact_in_every_cycle(weights: list[int], cycles_before: int) -> None:
    backends = make_backends([float(weight) for weight in weights])
    policy = make_policy("weighted")
    picks(policy, backends, cycles_before * sum(weights))
    shares = Counter(picks(policy, backends, sum(weights)))
    assert [shares[backend.id] for backend in backends] == weights


def test_fractions_are_exact_over_their_common_cycle() -> None:
    shares = Counter(picks(make_policy("weighted"), make_backends([0.5, 1.5, 0.25]), 9))
    assert (shares["api-1"], shares["api-2"], shares["api-3"]) == (2, 6, 1)


def test_it_stays_exact_after_many_cycles() -> None:
    backends = make_backends([1.0, 2.0, 7.0])
    policy = make_policy("weighted")
    picks(policy, backends, 100_000)
    assert Counter(picks(policy, backends, 10)) == {"api-1": 1, "api-2": 2, "api-3": 7}


def test_a_heavy_backend_is_spread_over_the_cycle() -> None:
    order = picks(make_policy("weighted"), make_backends([5.0, 1.0, 1.0]), 70)
    runs = [len(list(run)) for backend, run in groupby(order) if backend == "api-1"]
    # nginx's order a a b a c a a has runs of up to four across the border of two cycles; blocks would have five.
    assert max(runs) <= 4


def test_a_newcomer_gets_its_share_and_no_backlog() -> None:
    backends = make_backends([1.0, 1.0, 1.0])
    policy = make_policy("weighted")
    picks(policy, backends[:2], 1000)
    assert Counter(picks(policy, backends, 30)) == {"api-1": 10, "api-2": 10, "api-3": 10}


def test_a_new_weight_counts_from_the_next_turn_on() -> None:
    backends = make_backends([1.0, 1.0])
    policy = make_policy("weighted")
    picks(policy, backends, 100)
    backends[0].effective_weight = 3.0
    shares = Counter(picks(policy, backends, 400))
    assert abs(shares["api-1"] - 300) <= 3  # its old turn may still be up to one cycle (4 picks) away


def test_who_was_full_for_long_is_not_owed_the_turns_it_missed() -> None:
    backends = make_backends([1.0, 1.0])
    policy = make_policy("weighted", max_in_flight=1)
    backends[0].in_flight = 1
    assert set(picks(policy, backends, 100)) == {"api-2"}
    backends[0].in_flight = 0
    shares = Counter(picks(policy, backends, 20))
    assert 10 <= shares["api-1"] <= 12


def test_a_turn_that_a_retry_had_to_skip_is_kept() -> None:
    backends = make_backends([1.0, 1.0])
    policy = make_policy("weighted")
    (first,) = picks(policy, backends, 1)
    due = next(backend for backend in backends if backend.id != first)
    policy.pick(backends, make_exchange(tried=[due]), Random(1), 0.0)
    assert picks(policy, backends, 1) == [due.id]
