"""Makes a plan from a scenario and a seed. Nothing else has an influence, so equal inputs give equal plans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .expand import expand
from .plan import Plan, PlannedLoad
from .schema import Scenario
from .workload import Load


def make_plan(scenario: Scenario, name: str, seed: int, *, own_backends: bool = True) -> Plan:
    """Return the plan of the scenario called `name`. Offsets of steps become times since the run's start.

    `own_backends`: whether the lab's own backends answer the requests. If not, no POST is a job of their ledgers, no
    PUT is echoed, and no path has a known length.
    """
    start = scenario.warm_up + scenario.steady_state
    steps = expand(scenario.steps, start, f"{seed}:steps")
    return Plan(
        scenario=name,
        title=scenario.title,
        description=scenario.description.strip(),
        seed=seed,
        load=_load(scenario.load, own_backends=own_backends),
        warm_up_s=scenario.warm_up,
        steady_s=scenario.steady_state,
        steps=tuple(sorted(steps, key=lambda step: step.at_s)),
        settle_s=scenario.settle.after_readmission,
        settle_limit_s=scenario.settle.at_most,
        expect=scenario.expect.model_dump(mode="json"),
        balancer=environment(scenario.balancer),
    )


def _load(load: Load, *, own_backends: bool) -> PlannedLoad:
    return PlannedLoad(
        rate=load.rate,
        pacing=load.pacing,
        keep_alive=load.connections == "keep-alive",
        patience_s=load.patience,
        slow_s=load.slow,
        mix=tuple(kind.planned(own_backends=own_backends) for kind in load.mix),
        sessions=load.sessions or 0,
    )


def environment(settings: Mapping[str, Any], prefix: str = "LB") -> dict[str, str]:
    """Return settings of the balancer as environment variables: `{sticky: {cookie: lb}}` → `LB_STICKY__COOKIE=lb`."""
    found: dict[str, str] = {}
    separator = "_" if prefix == "LB" else "__"
    for key, value in sorted(settings.items()):
        name = f"{prefix}{separator}{key.upper()}"
        if isinstance(value, Mapping):
            found |= environment(value, name)
        else:
            found[name] = ",".join(map(str, value)) if isinstance(value, list) else _scalar(value)
    return found


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
