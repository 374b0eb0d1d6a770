"""The lab knows the distribution of every policy of the balancer."""

from __future__ import annotations

from lab.judge.checkers.distribution import FOLLOWS_LOAD, PROPORTIONAL, UNPROMISED
from lb.core.policies import HASHING, POLICIES


def test_every_policy_is_in_exactly_one_set_of_the_distribution_check() -> None:
    assert sorted([*PROPORTIONAL, *FOLLOWS_LOAD, *UNPROMISED]) == sorted(POLICIES)


def test_a_policy_that_picks_by_key_promises_no_distribution() -> None:
    assert {name for name, reason in UNPROMISED.items() if reason == "it picks by key"} == HASHING
