"""Theoretical values for each policy in each scenario, with their formula and source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import log

from . import theory
from .queueing_station import Condition
from .scenario import ActiveParts, Scenario
from .service_times import Exponential

SPLITTING = ("maglev", "random")
"""Policies whose picks are random and independent of the load, so that the arrivals at each backend are a Poisson
process. Maglev is one of them, because every simulated request has another key."""
TAKING_TURNS = ("round_robin", "weighted")
RAMPED_KEYS = ("maglev", "ring_hash")
"""Policies that, during slow start, move some of the backend's keys to other backends instead of scaling its weight."""
BY_TABLE = ("maglev", "ring_hash")
"""Policies whose tables are not exactly even: within 1 % for 100 slots per backend, within 1/√n for n ring points."""


class Relation(StrEnum):
    """Expected relation of the measured value to the theoretical one."""

    EQUAL = "="
    LIMIT = "≈"
    """Exact in the limit of many backends."""
    AT_MOST = "≤"
    AT_LEAST = "≥"
    UNSTABLE = "∞"
    """Some backend gets more than it can serve, so there is no steady state and the latency grows during the run."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Theoretical latency in seconds; None if there is no theoretical value."""

    relation: Relation
    formula: str
    source: str
    mean_s: float | None = None
    p50_s: float | None = None
    p99_s: float | None = None


@dataclass(frozen=True, slots=True)
class Shares:
    """Share of all requests for which each backend (or the one in focus) is picked first."""

    relation: Relation
    formula: str
    each: tuple[float, ...] = ()
    focus: float | None = None


def shares(scenario: Scenario, policy: str) -> Shares | None:
    """Return the theoretical shares; None if there are none."""
    if scenario.changes:
        return _shares_in_a_fault(scenario, policy)
    if policy in (*TAKING_TURNS, *SPLITTING, "ring_hash"):
        each = static_shares(scenario, policy)
        if policy == "ring_hash" and len(set(scenario.fleet)) > 1:
            return None  # the load bound moves keys away from busy backends
        formula = "1/N: ignores weights" if policy == "round_robin" else "wᵢ / Σw"
        return Shares(_relation(policy), formula, each, _at(each, scenario.focus))
    if len(set(scenario.fleet)) == 1:
        each = static_shares(scenario, policy)
        return Shares(Relation.EQUAL, "1/N by symmetry", each, None)
    return None


def latency(scenario: Scenario, policy: str) -> Latency | None:
    """Return the theoretical latency; None if there is none. Only scenarios without a fault have one."""
    if scenario.changes or policy not in (*TAKING_TURNS, *SPLITTING, "p2c"):
        return None
    rates = [scenario.rate * share for share in static_shares(scenario, policy)]
    if policy != "p2c" and any(
        rate * m.service.mean >= m.servers for rate, m in zip(rates, scenario.fleet, strict=True)
    ):
        return Latency(Relation.UNSTABLE, "λᵢ·S ≥ cᵢ for some i", "the smallest backend gets more than it can serve")
    if not all(isinstance(model.service, Exponential) for model in scenario.fleet):
        return _general(scenario, policy, rates)
    if policy in SPLITTING:
        return _split(scenario, rates, Relation.EQUAL)
    if len(set(scenario.fleet)) > 1 or scenario.fleet[0].servers > 1:
        return _split(scenario, rates, Relation.AT_MOST) if policy in TAKING_TURNS else None
    return _in_turn(scenario) if policy in TAKING_TURNS else _two_choices(scenario)


def floor(scenario: Scenario) -> Latency | None:
    """Return the lowest possible mean latency: with one common queue no server is idle while a request waits."""
    works = {model.service.mean for model in scenario.fleet if isinstance(model.service, Exponential)}
    if scenario.changes or len(works) != 1 or len(works) != len({model.service for model in scenario.fleet}):
        return None
    work = works.pop()
    mean = theory.mmc_mean(scenario.servers, work, scenario.rate)
    return Latency(Relation.AT_LEAST, f"M/M/{scenario.servers}: S + C·S/(c − λS)", "Erlang 1917", mean)


def static_shares(scenario: Scenario, policy: str) -> tuple[float, ...]:
    """Return the shares in proportion to the weights; round robin ignores them."""
    weights = [1.0 if policy == "round_robin" else model.weight for model in scenario.fleet]
    return tuple(weight / sum(weights) for weight in weights)


def _split(scenario: Scenario, rates: Sequence[float], relation: Relation) -> Latency:
    parts, mean = [], 0.0
    for rate, model in zip(rates, scenario.fleet, strict=True):
        share = rate / scenario.rate
        parts.append((share, theory.mmc_tail(model.servers, model.service.mean, rate)))
        mean += share * theory.mmc_mean(model.servers, model.service.mean, rate)
    formula, source = "Σ shareᵢ · M/M/cᵢ, Erlang C", "Erlang 1917; Poisson splitting"
    if relation is Relation.AT_MOST:  # holds for means only; quantiles may cross
        return Latency(relation, formula, f"{source}; taking turns varies less than random choice", mean)
    tail = theory.mixture(parts)
    return Latency(relation, formula, source, mean, theory.quantile(tail, 0.5), theory.quantile(tail, 0.99))


def _in_turn(scenario: Scenario) -> Latency:
    rate = theory.round_robin_rate(len(scenario.fleet), scenario.fleet[0].service.mean, scenario.rate)
    formula = "Eₙ/M/1: S/(1 − σ), σ = A*((1 − σ)/S)"
    return Latency(
        Relation.EQUAL, formula, "Kleinrock, Queueing Systems 1, §6.4", 1 / rate, log(2) / rate, log(100) / rate
    )


def _two_choices(scenario: Scenario) -> Latency:
    work, load = scenario.fleet[0].service.mean, scenario.utilisation
    tail = theory.two_choices_tail(load, work)
    formula = "S·Σ ρ^(2ⁱ − 2), N → ∞"
    p50, p99 = theory.quantile(tail, 0.5), theory.quantile(tail, 0.99)
    return Latency(Relation.LIMIT, formula, "Mitzenmacher 2001", theory.two_choices_mean(load, work), p50, p99)


def _general(scenario: Scenario, policy: str, rates: Sequence[float]) -> Latency | None:
    """Return the mean latency of M/G/1. There is no closed form for quantiles, nor for the mean with several
    servers."""
    if policy == "p2c" or any(model.servers != 1 for model in scenario.fleet):
        return None
    mean = sum(
        rate / scenario.rate * theory.pollaczek_khinchine(model.service.mean, model.service.scv, rate)
        for rate, model in zip(rates, scenario.fleet, strict=True)
    )
    relation = Relation.EQUAL if policy in SPLITTING else Relation.AT_MOST
    return Latency(relation, "M/G/1: S + ρ/(1 − ρ)·(1 + C²)/2·S", "Pollaczek 1930, Khinchine 1932", mean)


def _shares_in_a_fault(scenario: Scenario, policy: str) -> Shares | None:
    if policy not in (*TAKING_TURNS, *SPLITTING, "ring_hash"):
        return None
    even = 1.0 / len(scenario.fleet)
    if scenario.changes[0].condition is not Condition.PAUSED:
        return None if policy == "ring_hash" else _shares_after_an_outage(scenario, policy)
    if scenario.parts is not ActiveParts.WHOLE_BALANCER:
        return _shares_in_a_pause(scenario, policy)
    settings = scenario.settings(policy)
    seen_after = settings.passive.stall_ceiling + settings.tick
    # Each of these policies picks the backend with 1/N until the first stall is detected, then not until it responds.
    return Shares(Relation.AT_MOST, "1/N · (stall ceiling + tick) / pause", focus=even * seen_after / scenario.measured)


def _shares_in_a_pause(scenario: Scenario, policy: str) -> Shares | None:
    """Return the share of first attempts that go to a paused backend that is not detected.

    Retries never go to a backend on which an attempt of the request has timed out. `weighted` counts retries as turns
    of the other backends. Therefore, after the first time-outs, the paused one gets more first attempts: f = (1 + f)/N,
    which is f = 1/(N − 1).
    """
    size, timeout = len(scenario.fleet), scenario.settings(policy).retry.per_try_timeout
    if policy == "ring_hash":
        return None
    if policy in SPLITTING:
        return Shares(_relation(policy), "1/N: ignores load", focus=1.0 / size)
    if policy == "round_robin":
        return Shares(Relation.LIMIT, "1/N, apart from turns taken by retries", focus=1.0 / size)
    focus = (timeout / size + (scenario.measured - timeout) / (size - 1)) / scenario.measured
    return Shares(Relation.LIMIT, "1/N, and 1/(N − 1) from the first time-out on", focus=focus)


def _shares_after_an_outage(scenario: Scenario, policy: str) -> Shares:
    others = len(scenario.fleet) - 1.0
    if not scenario.slow_start:
        return Shares(_relation(policy), "1/N at once", focus=1.0 / (others + 1.0))
    reached = min(1.0, 0.1 + 0.9 * scenario.measured / scenario.slow_start)
    if policy in RAMPED_KEYS:
        return Shares(Relation.LIMIT, "mean of r(t)/N", focus=(0.1 + reached) / 2 / (others + 1))
    slope = 0.9 / scenario.slow_start
    mean = 1.0 - others / (slope * scenario.measured) * log((others + reached) / (others + 0.1))
    return Shares(Relation.LIMIT, "mean of r(t)/(N − 1 + r(t))", focus=mean)


def _relation(policy: str) -> Relation:
    return Relation.LIMIT if policy in BY_TABLE else Relation.EQUAL


def _at(values: Sequence[float], index: int | None) -> float | None:
    return None if index is None else values[index]
