"""Scenario and seed → plan. Nothing else goes in, so the same two give the same plan."""

from __future__ import annotations

from random import Random

from lab.scenario.plan import Expectations, LatencyBudget, Plan, PlannedLoad, PlannedRequest, PlannedStep
from lab.scenario.schema import Expect, LatencyLimits, Load, Scenario, Step


def make_plan(scenario: Scenario, name: str, seed: int) -> Plan:
    """The plan of the scenario called `name`. Offsets of steps become times since the run's start."""
    rng = Random(f"{seed}:steps")
    offset = scenario.warm_up + scenario.steady_state
    return Plan(
        scenario=name,
        title=scenario.title,
        description=scenario.description.strip(),
        seed=seed,
        load=_load(scenario.load),
        warm_up_s=scenario.warm_up,
        steady_s=scenario.steady_state,
        steps=tuple(sorted((_step(step, offset, rng) for step in scenario.steps), key=lambda step: step.at_s)),
        settle_s=scenario.settle.after_readmission,
        settle_limit_s=scenario.settle.at_most,
        expect=_expectations(scenario.expect),
    )


def _load(load: Load) -> PlannedLoad:
    return PlannedLoad(
        rate=load.rate,
        pacing=load.pacing,
        keep_alive=load.connections == "keep-alive",
        patience_s=load.patience,
        slow_s=load.slow,
        mix=tuple(PlannedRequest(kind.method, kind.path, kind.share) for kind in load.mix),
    )


def _step(step: Step, offset: float, rng: Random) -> PlannedStep:
    draw = rng.random()  # drawn for every step: naming one target must not change what the others get
    return PlannedStep(
        at_s=round(offset + step.at, 9),
        fault=step.fault,
        target=None if step.target in {"any", "random"} else step.target,
        pick=draw if step.target == "random" else 0.0,
        duration_s=step.duration,
        params=dict(sorted(step.params.items())),
        allow_last=step.allow_last,
    )


def _expectations(expect: Expect) -> Expectations:
    return Expectations(
        reroute_within_bound=expect.reroute is not None,
        readmit_within_bound=expect.readmit is not None,
        idempotent_failures=expect.idempotent_failures,
        lost=expect.lost,
        duplicated=expect.duplicated,
        zombie=expect.zombie,
        error_budget=expect.error_budget,
        slow_budget=expect.slow_budget,
        distribution=expect.distribution is not None,
        sticky=expect.sticky is not None,
        nobody_ejected=expect.ejected is not None,
        answer_within_s=expect.answer_within,
        latency_outside=_latency(expect.latency.outside) if expect.latency else None,
        latency_inside=_latency(expect.latency.inside) if expect.latency else None,
    )


def _latency(limits: LatencyLimits) -> LatencyBudget | None:
    budget = LatencyBudget(limits.p50, limits.p95, limits.p99, limits.max)
    return budget if any(budget.limits()) else None
