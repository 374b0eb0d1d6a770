"""Where theory has a value, the simulation gives the same value.

Seeds are fixed, so these tests cannot flicker; the tolerances say how far a correct simulator may be off. Three seeds
of 20,000 requests at ρ = 0.7 scatter by 1–3 % around the mean (waits of neighbours in a queue are alike, so the
sample is worth far less than its size) and by 5 % around the 99th percentile.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from statistics import fmean

import pytest

from lb.core.policies import POLICIES
from lb.simulate import expected
from lb.simulate.expected import Relation
from lb.simulate.measure import Result, run
from lb.simulate.queueing_station import Model
from lb.simulate.scenario import SCENARIOS, Scenario
from lb.simulate.service_times import Exponential

SEEDS = (0, 1, 2)
WITH_EXACT_LATENCY = [
    (name, policy)
    for name, scenario in SCENARIOS.items()
    for policy in sorted(POLICIES)
    if (latency := expected.latency(scenario, policy)) and latency.relation is Relation.EQUAL
]


@cache
def results(name: str, policy: str) -> list[Result]:
    return [run(SCENARIOS[name], policy, seed) for seed in SEEDS]


def test_theory_has_much_to_say() -> None:
    """Otherwise the tests below would pass because they are empty."""
    assert len(WITH_EXACT_LATENCY) == 10


@pytest.mark.parametrize(("name", "policy"), WITH_EXACT_LATENCY)
def test_latency_is_what_theory_says(name: str, policy: str) -> None:
    theory = expected.latency(SCENARIOS[name], policy)
    assert theory is not None
    assert theory.mean_s is not None
    # Log-normal work with C² = 4 scatters its mean by 2 % over 24,000 requests, and the wait by twice that.
    tolerance = 0.08 if name == "long_tail" else 0.05
    assert fmean(r.mean_s for r in results(name, policy)) == pytest.approx(theory.mean_s, rel=tolerance)
    for expected_s, measured in ((theory.p50_s, "p50_s"), (theory.p99_s, "p99_s")):
        if expected_s is not None:
            assert fmean(getattr(r, measured) for r in results(name, policy)) == pytest.approx(expected_s, rel=0.08)


def test_two_choices_among_fifty_are_near_the_limit_of_infinitely_many() -> None:
    """The limit is approached from above with 1/N (simulated: + 6.5 % at N = 10, + 2.6 % at 50, + 1 % at 200); the rest
    is the sample's own scatter."""
    theory = expected.latency(SCENARIOS["homogeneous"], "p2c")
    assert theory is not None
    assert theory.relation is Relation.LIMIT
    for field in ("mean_s", "p50_s", "p99_s"):
        measured = fmean(getattr(r, field) for r in results("homogeneous", "p2c"))
        assert measured == pytest.approx(getattr(theory, field), rel=0.05)


def test_turns_wait_less_than_chance() -> None:
    """Less variable arrivals: Erlang C is an upper bound of the mean for them."""
    for name in ("weighted", "slow"):
        theory = expected.latency(SCENARIOS[name], "weighted")
        assert theory is not None
        assert theory.relation is Relation.AT_MOST
        assert theory.mean_s is not None
        assert fmean(r.mean_s for r in results(name, "weighted")) < theory.mean_s


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_no_policy_beats_the_single_queue(policy: str) -> None:
    floor = expected.floor(SCENARIOS["homogeneous"])
    assert floor is not None
    assert floor.mean_s is not None
    # The mean work of 10,000 requests may be 2 % below 10 ms (two standard deviations), and the best policy with it.
    assert run(SCENARIOS["homogeneous"].scaled(0.5), policy, seed=0).mean_s > floor.mean_s * 0.98


def test_least_requests_of_two_is_join_the_shortest_queue() -> None:
    """JSQ for two queues has no simple formula, but its Markov chain can be solved: here by iteration."""
    fleet = (Model(Exponential(0.010)),) * 2
    scenario = Scenario("two", "", "", fleet, rate=140.0, warm_up=3.0, measured=140.0)
    measured = fmean(run(scenario, "least_requests", seed).mean_s for seed in SEEDS)
    assert measured == pytest.approx(jsq_mean(rate=1.4, most=24) * 0.010, rel=0.04)


def jsq_mean(rate: float, most: int) -> float:
    """Mean latency in units of the work: two queues of at most `most`, Gauss–Seidel on the balance equations.

    `most` = 24 cuts off less than 10⁻⁶ of the probability at ρ = 0.7. By symmetry only i ≤ j is kept.
    """
    states = [(i, j) for i in range(most + 1) for j in range(i, most + 1)]
    chance = {state: 1.0 / len(states) for state in states}

    def moves(i: int, j: int) -> list[tuple[tuple[int, int], float]]:
        found = [((i + 1, j) if i + 1 <= j else (i, j + 1), rate)] if i < most else []
        found += [((i - 1, j), 1.0)] if i > 0 else []
        found += [((i, j - 1) if j - 1 >= i else (j - 1, i), 1.0)] if j > 0 else []
        return found

    into: dict[tuple[int, int], list[tuple[tuple[int, int], float]]] = {state: [] for state in states}
    leave = {}
    for state in states:
        leave[state] = sum(speed for _, speed in moves(*state))
        for target, speed in moves(*state):
            into[target].append((state, speed))
    for _ in range(600):
        for state in states:
            chance[state] = sum(chance[source] * speed for source, speed in into[state]) / leave[state]
    total = sum(chance.values())
    return sum((i + j) * p for (i, j), p in chance.items()) / total / rate


@pytest.mark.parametrize("name", ["homogeneous", "weighted", "slow"])
@pytest.mark.parametrize("policy", ["round_robin", "weighted"])
def test_turns_give_exact_shares(name: str, policy: str) -> None:
    theory = expected.shares(SCENARIOS[name], policy)
    assert theory is not None
    for result in results(name, policy):
        # The window cuts a cycle at both ends: two turns of a backend among all requests.
        assert result.shares == pytest.approx(theory.each, abs=2 / result.requests)


@pytest.mark.parametrize("policy", ["random", "maglev"])
def test_chance_gives_its_shares(policy: str) -> None:
    theory = expected.shares(SCENARIOS["weighted"], policy)
    assert theory is not None
    # Binomial over 60,000 requests: 0.2 % a standard deviation at most; Maglev's table adds 1 % of a share.
    shares = [fmean(part) for part in zip(*(r.shares for r in results("weighted", policy)), strict=True)]
    assert shares == pytest.approx(theory.each, abs=0.01)


def test_an_overload_that_theory_predicts_has_no_steady_state() -> None:
    scenario = SCENARIOS["weighted"]
    theory = expected.latency(scenario, "round_robin")
    assert theory is not None
    assert theory.relation is Relation.UNSTABLE
    once, twice = (run(replace(scenario, measured=seconds), "round_robin", 0).mean_s for seconds in (15.0, 30.0))
    # The backlog grows with time, so the mean wait over twice the time is twice as long.
    assert twice > 1.5 * once
