from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lb.core.backend import Backend
from lb.core.policies import Candidates, Policy, create
from lb.core.policies.base import Load
from tests.support.balancing import make_backends, make_exchange, make_policy

HASHING = ["maglev", "ring_hash"]
KEYS = [f"client-{n}".encode() for n in range(4000)]


def owner(policy: Policy, backends: Candidates, key: bytes, now: float = 0.0) -> Backend:
    picked = policy.pick(backends, make_exchange(key), Random(1), now)
    assert picked is not None
    return picked


def owners(policy: Policy, backends: Candidates, now: float = 0.0) -> list[Backend]:
    return [owner(policy, backends, key, now) for key in KEYS]


@pytest.mark.parametrize("name", HASHING)
@settings(max_examples=15, deadline=None)
@given(count=st.integers(2, 40), leaving=st.integers(0, 39))
def test_the_loss_of_one_backend_moves_little_more_than_its_own_keys(name: str, count: int, leaving: int) -> None:
    backends = make_backends([1.0] * count)
    policy = make_policy(name)
    before = owners(policy, backends)
    lost = backends[leaving % count]
    after = owners(policy, tuple(backend for backend in backends if backend is not lost))
    moved = sum(old is not new for old, new in zip(before, after, strict=True))
    assert moved / len(KEYS) <= 1 / count + 0.05


@pytest.mark.parametrize("name", HASHING)
def test_its_return_brings_every_key_home(name: str) -> None:
    backends = make_backends([1.0] * 5)
    policy = make_policy(name)
    before = owners(policy, backends)
    owners(policy, backends[1:])
    assert owners(policy, backends) == before


@pytest.mark.parametrize("name", HASHING)
def test_two_balancers_agree_whatever_order_they_learned_the_backends_in(name: str) -> None:
    backends = make_backends([1.0, 2.0, 1.0, 1.0])
    assert owners(make_policy(name), backends) == owners(make_policy(name), backends[::-1])


@pytest.mark.parametrize("name", HASHING)
def test_shares_follow_the_weights(name: str) -> None:
    shares = Counter(backend.id for backend in owners(make_policy(name), make_backends([1.0, 1.0, 2.0])))
    # 4,000 keys: 2 % of sampling (2 standard deviations) and 4 % of the ring's unevenness (see MAX_POINTS_PER_WEIGHT).
    assert shares["api-3"] / len(KEYS) == pytest.approx(0.5, abs=0.05)
    assert shares["api-1"] / len(KEYS) == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("name", HASHING)
def test_a_configured_weight_that_changes_is_seen_within_a_second(name: str) -> None:
    backends = make_backends([1.0, 1.0])
    policy = make_policy(name)
    owners(policy, backends)
    backends[0].weight = backends[0].effective_weight = 0.0
    assert set(owners(policy, backends, now=1.0)) == {backends[1]}


@pytest.mark.parametrize("name", HASHING)
def test_in_slow_start_a_backend_gets_a_growing_part_of_its_own_keys(name: str) -> None:
    backends = make_backends([1.0] * 4)
    policy = make_policy(name)
    home = [key for key in KEYS if owner(policy, backends, key) is backends[0]]
    backends[0].effective_weight = 0.3
    early = {key for key in home if owner(policy, backends, key) is backends[0]}
    backends[0].effective_weight = 0.6
    later = {key for key in home if owner(policy, backends, key) is backends[0]}
    assert len(early) / len(home) == pytest.approx(0.3, abs=0.06)  # ≈ 1,000 keys: four standard deviations
    assert early < later


@pytest.mark.parametrize("name", HASHING)
def test_a_request_without_a_key_goes_anywhere(name: str) -> None:
    backends, policy, rng = make_backends([1.0] * 3), make_policy(name), Random(1)
    assert {policy.pick(backends, make_exchange(), rng, 0.0) for _ in range(100)} == set(backends)


def test_on_the_ring_a_hot_key_spills_over_at_five_quarters_of_a_fair_share() -> None:
    backends = make_backends([1.0] * 4)
    load = Load(max_in_flight=1000)
    policy = create("ring_hash", load)
    for _ in range(100):
        picked = policy.pick(backends, make_exchange(b"hot"), Random(1), 0.0)
        assert picked is not None
        picked.in_flight += 1
        load.in_flight += 1
    assert max(backend.in_flight for backend in backends) <= 32  # ⌈1.25 × 100 / 4⌉
