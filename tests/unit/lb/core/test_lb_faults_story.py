"""The product's promise on a simulated clock: three backends, 200 requests/s for nine seconds, a fault after three.

The other balancers' numbers for the same are in docs and reports; ours must hold for every policy and any seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import pytest

from lb.core.policies import POLICIES
from lb.core.settings import HealthSettings, RetrySettings, Settings
from lb.simulate.queueing_station import Condition, Model
from lb.simulate.simulation import Simulation

SEEDS = range(3)
GAP = 0.005


@dataclass(frozen=True)
class ConstantPlusExponential:
    """A constant, such as the network round trip, and an exponential part; both means in seconds."""

    constant: float
    exponential: float
    scv: float = 0.0

    @property
    def mean(self) -> float:
        return self.constant + self.exponential

    def __call__(self, rng: Random) -> float:
        return self.constant + rng.expovariate(1.0 / self.exponential)


FLEET = (Model(ConstantPlusExponential(0.002, 0.001), servers=1000),) * 3
"""Answers after 2 ms and an exponential rest with a mean of 1 ms; nobody queues."""


def nine_seconds(fault: Condition, *, policy: str, seed: int, method: str = "GET", hedge: bool = True) -> Simulation:
    health = HealthSettings(interval=0.5, timeout=0.4, fall=2)
    settings = Settings(policy=policy, health=health, retry=RetrySettings(hedge=hedge))
    simulation = Simulation(settings, FLEET, seed=seed, method=method)
    victim = simulation.backends[1]
    simulation.run_until(0.1)  # the first probes
    simulation.traffic(lambda _: GAP, until=0.1 + 9.0 + GAP / 2)
    simulation.run_until(3.1)
    simulation.set_condition(victim, fault)
    simulation.run_until(6.1)
    simulation.set_condition(victim, Condition.WELL)
    simulation.run_until(15.1)
    assert len(simulation.requests) == 1800
    return simulation


def failed(simulation: Simulation) -> int:
    return sum(request.status != 200 for request in simulation.requests)


def slow(simulation: Simulation) -> int:
    return sum(request.took > 0.25 for request in simulation.requests)


def worst(simulation: Simulation) -> float:
    return max(request.took for request in simulation.requests)


def executions(simulation: Simulation) -> set[int]:
    """How often the work of a request was done; {1}: of every one exactly once."""
    return {request.executed for request in simulation.requests}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("policy", sorted(POLICIES))
@pytest.mark.parametrize("fault", [Condition.PAUSED, Condition.DEAD, Condition.GONE])
def test_no_get_fails_and_hardly_one_is_slow(fault: Condition, policy: str, seed: int) -> None:
    simulation = nine_seconds(fault, policy=policy, seed=seed)
    assert failed(simulation) == 0
    assert slow(simulation) <= 10
    # A hedge leaves after the stall threshold, ≤ 100 ms with answers of 3 ms; then comes an ordinary answer.
    assert worst(simulation) < 0.15


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_a_paused_backend_costs_few_posts_and_duplicates_none(policy: str, seed: int) -> None:
    """A POST that was sent is never sent again: the paused backend executes it when it is resumed."""
    simulation = nine_seconds(Condition.PAUSED, policy=policy, seed=seed, method="POST")
    assert failed(simulation) <= 10
    assert executions(simulation) == {1}


@pytest.mark.parametrize("fault", [Condition.DEAD, Condition.GONE])
def test_a_killed_backend_fails_no_post_either(fault: Condition) -> None:
    """Nothing was sent to it, so the POST may go elsewhere; in the black hole after the connect time-out."""
    simulation = nine_seconds(fault, policy="round_robin", seed=1, method="POST")
    assert failed(simulation) == 0
    assert executions(simulation) == {1}
    assert worst(simulation) < 0.25 + 0.05


def test_without_hedges_a_pause_shows_why_they_are_there() -> None:
    """Requests that were sent before the stall was detected wait for the per-try time-out of a second."""
    simulation = nine_seconds(Condition.PAUSED, policy="round_robin", seed=1, hedge=False)
    assert failed(simulation) == 0
    assert 1 <= slow(simulation) <= 20
    assert worst(simulation) > 1.0
