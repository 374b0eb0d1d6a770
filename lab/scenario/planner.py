"""Scenario and seed → plan. Nothing else goes in, so the same two give the same plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .expand import concrete
from .plan import Expectations, LatencyBudget, Plan, PlannedLoad, PlannedRequest
from .schema import Expect, LatencyLimits, Scenario
from .workload import Load


def make_plan(scenario: Scenario, name: str, seed: int) -> Plan:
    """The plan of the scenario called `name`. Offsets of steps become times since the run's start."""
    start = scenario.warm_up + scenario.steady_state
    steps = concrete(scenario.steps, start, f"{seed}:steps")
    return Plan(
        scenario=name,
        title=scenario.title,
        description=scenario.description.strip(),
        seed=seed,
        load=_load(scenario.load),
        warm_up_s=scenario.warm_up,
        steady_s=scenario.steady_state,
        steps=tuple(sorted(steps, key=lambda step: step.at_s)),
        settle_s=scenario.settle.after_readmission,
        settle_limit_s=scenario.settle.at_most,
        expect=_expectations(scenario.expect),
        balancer=environment(scenario.balancer),
    )


def _load(load: Load) -> PlannedLoad:
    return PlannedLoad(
        rate=load.rate,
        pacing=load.pacing,
        keep_alive=load.connections == "keep-alive",
        patience_s=load.patience,
        slow_s=load.slow,
        mix=tuple(PlannedRequest(kind.method, kind.path, kind.share, kind.body_bytes) for kind in load.mix),
        sessions=load.sessions or 0,
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
        checkers=expect.checkers,
    )


def _latency(limits: LatencyLimits) -> LatencyBudget | None:
    budget = LatencyBudget(limits.p50, limits.p95, limits.p99, limits.max)
    return budget if any(budget.limits()) else None


def environment(settings: Mapping[str, Any], prefix: str = "LB") -> dict[str, str]:
    """The balancer's settings as its environment variables: `{sticky: {cookie: lb}}` → `LB_STICKY__COOKIE=lb`."""
    found: dict[str, str] = {}
    joint = "_" if prefix == "LB" else "__"
    for key, value in sorted(settings.items()):
        name = f"{prefix}{joint}{key.upper()}"
        if isinstance(value, Mapping):
            found |= environment(value, name)
        else:
            found[name] = ",".join(map(str, value)) if isinstance(value, list) else _scalar(value)
    return found


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
