"""The tables of the hash policies: bounded whatever the weights are, and built in slices while traffic goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest

from lb.core.policies import Candidates, create
from lb.core.policies.base import Load
from lb.core.policies.hash_tables import COARSE, SLICE, SLICE_S, TablePolicy
from lb.core.policies.maglev import SIZES, Maglev
from lb.core.policies.ring_hash import MAX_POINTS, RingHash
from tests.support.balancing import make_backends, make_exchange

HASHING = ["maglev", "ring_hash"]
KEYS = [f"client-{n}".encode() for n in range(2000)]


def table_policy(name: str) -> TablePolicy:
    policy = create(name, Load(max_in_flight=1000))
    assert isinstance(policy, TablePolicy)
    return policy


def settle(policy: TablePolicy, backends: Candidates, now: float = 0.0) -> float:
    """Pick until the table is complete; the time then."""
    for _ in range(1000):
        policy.pick(backends, make_exchange(b"key"), Random(1), now)
        if not policy.building:
            return now
        now += SLICE_S
    raise AssertionError("the table is never complete")


def picked(policy: TablePolicy, backends: Candidates, now: float, keys: Sequence[bytes] = KEYS) -> Counter[str]:
    found = [policy.pick(backends, make_exchange(key), Random(1), now) for key in keys]
    return Counter(backend.id for backend in found if backend is not None)


def entries(policy: TablePolicy) -> Sequence[object]:
    return policy._points if isinstance(policy, RingHash) else policy._table  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", HASHING)
@pytest.mark.parametrize("weights", [[1.0] * 3, [256.0] * 3, [1e6, 1e6], [65536.0, 1.0, 1.0], [0.001] * 3, [1e6] * 500])
def test_a_table_has_a_bounded_number_of_entries_whatever_the_weights_are(name: str, weights: list[float]) -> None:
    policy, backends = table_policy(name), make_backends(weights)
    settle(policy, backends)
    most = {"ring_hash": MAX_POINTS + len(weights), "maglev": SIZES[-1]}
    assert 100 <= len(entries(policy)) <= most[name]


@pytest.mark.parametrize("name", HASHING)
@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0, 60000.0])
def test_only_the_ratio_of_the_weights_counts(name: str, scale: float) -> None:
    policy, backends = table_policy(name), make_backends([3 * scale, scale])
    shares = picked(policy, backends, settle(policy, backends))
    assert shares["api-1"] / len(KEYS) == pytest.approx(0.75, abs=0.05)


@pytest.mark.parametrize("name", HASHING)
def test_a_backend_of_the_smallest_weight_is_in_the_table_beside_one_of_the_largest(name: str) -> None:
    policy, backends = table_policy(name), make_backends([65536.0, 0.001])
    settle(policy, backends)
    owners = policy._owners  # type: ignore[attr-defined]
    assert backends[1] in owners


@pytest.mark.parametrize("name", HASHING)
def test_a_large_table_takes_many_slices_and_the_old_one_serves_meanwhile(name: str) -> None:
    policy, backends = table_policy(name), make_backends([256.0] * 900)
    old, new = backends[:2], backends
    now = settle(policy, old)
    slices = 0
    policy.pick(new, make_exchange(b"key"), Random(1), now)
    while policy.building:
        assert {backend.id for backend in policy.in_table} == {"api-1", "api-2"}
        assert set(picked(policy, new, now, KEYS[:20])) <= {"api-1", "api-2"}
        now += SLICE_S
        policy.pick(new, make_exchange(b"key"), Random(1), now)
        slices += 1
    assert slices >= 65536 / (2 * SLICE)
    assert len(picked(policy, new, now)) > 700


@pytest.mark.parametrize("name", HASHING)
def test_one_slice_is_built_in_ten_milliseconds_however_many_picks_there_are(name: str) -> None:
    policy, backends = table_policy(name), make_backends([1.0] * 900)
    made = 0
    for _ in range(500):
        policy.pick(backends, make_exchange(b"key"), Random(1), 0.0)
        made += not policy.building
    assert made == 0


@pytest.mark.parametrize("name", HASHING)
def test_until_the_first_table_is_complete_a_coarse_one_keeps_keys_together(name: str) -> None:
    policy, backends = table_policy(name), make_backends([1.0] * 900)
    first, again = picked(policy, backends, 0.0), picked(policy, backends, 0.0)
    assert policy.building
    assert first == again
    assert 50 < len(first) <= COARSE


@pytest.mark.parametrize("name", HASHING)
def test_backends_that_are_gone_are_passed_over_at_once(name: str) -> None:
    policy, backends = table_policy(name), make_backends([256.0] * 900)
    now = settle(policy, backends)
    left = backends[450:]
    assert set(picked(policy, left, now)) <= {backend.id for backend in left}


@pytest.mark.parametrize("name", HASHING)
def test_a_change_while_a_table_is_built_does_not_put_off_its_end(name: str) -> None:
    policy, backends = table_policy(name), make_backends([1.0] * 900)
    now, finished = 0.0, False
    for step in range(400):
        changing = backends[step % 3 :]  # another membership at every pick
        policy.pick(changing, make_exchange(b"key"), Random(1), now)
        finished = finished or len(policy.in_table) > COARSE
        now += SLICE_S
    assert finished


def test_maglev_costs_the_same_however_far_the_weights_are_apart() -> None:
    def steps(weights: list[float]) -> int:
        policy = Maglev(Load(1000))
        return sum(1 for _ in policy.build({one: one.weight for one in make_backends(weights)}, policy.max_entries))

    assert steps([1e6] + [1.0] * 899) <= 2 * steps([1.0] * 900)
