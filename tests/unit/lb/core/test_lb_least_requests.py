from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from lb.core.policies.base import relative_load
from tests.support.balancing import make_backends, make_exchange, make_policy, picks


@given(
    weights=st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=1, max_size=6),
    script=st.lists(st.one_of(st.just(None), st.integers(0, 50)), max_size=120),
)
def test_it_always_picks_a_least_loaded_backend(weights: list[float], script: list[int | None]) -> None:
    """None starts an attempt; a number ends one of those under way."""
    backends = make_backends(weights)
    policy = make_policy("least_requests")
    under_way = []
    for ended in script:
        if ended is None:
            picked = policy.pick(backends, make_exchange(), Random(1), 0.0)
            assert picked is not None
            assert relative_load(picked) == min(map(relative_load, backends))
            picked.in_flight += 1
            under_way.append(picked)
        elif under_way:
            backend = under_way.pop(ended % len(under_way))
            backend.in_flight -= 1
            policy.released(backend)


def test_idle_backends_take_turns() -> None:
    backends = make_backends([1.0] * 4)
    assert Counter(picks(make_policy("least_requests"), backends, 40)) == {backend.id: 10 for backend in backends}


def test_ties_stay_fair_across_a_change_of_membership() -> None:
    backends = make_backends([1.0] * 4)
    policy = make_policy("least_requests")
    picks(policy, backends, 2)
    assert picks(policy, backends[1:], 3) == ["api-3", "api-4", "api-2"]


def test_the_heap_does_not_grow_with_the_number_of_requests() -> None:
    backends = make_backends([1.0] * 3)
    backends[0].in_flight = backends[1].in_flight = backends[2].in_flight = 50
    policy = make_policy("least_requests")
    picks(policy, backends, 10_000)
    assert len(vars(policy)["_heap"]) < 200
