"""Describes a plan as text: what would happen, and when."""

from __future__ import annotations

from collections.abc import Iterator

from ..actions import ACTIONS
from .plan import Plan, PlannedStep


def describe(plan: Plan) -> Iterator[str]:
    """Yield lines for the load, each step, and the end."""
    load = plan.load
    kinds = ", ".join(f"{kind.share:.0%} {kind.method} {kind.path}" for kind in load.mix)
    connections = "kept alive" if load.keep_alive else "fresh for each request"
    yield f"{plan.scenario} (seed {plan.seed}): {plan.title}"
    yield f"   0.000 s  {load.rate:g} requests/s, {load.pacing}, connections {connections}: {kinds}"
    for name, value in plan.balancer.items():
        yield f"            the balancer runs with {name}={value}"
    yield f"{plan.warm_up_s:8.3f} s  requests due from here on are judged"
    for step in plan.steps:
        yield f"{step.at_s:8.3f} s  {_step(step)}"
    yield f"{plan.faults_end_s:8.3f} s  all steps are undone; up to {plan.settle_limit_s:g} s until all are readmitted"
    yield f"            then {plan.settle_s:g} s more; traffic ends at {plan.traffic_limit_s:g} s at the latest"


def _step(step: PlannedStep) -> str:
    where = f" on {_target(step)}" if step.needs_target else ""
    value = f" {step.value:g}" if step.act and ACTIONS[step.act].value_field in {"to", "weight"} else ""
    text = f"{step.name.replace('_', ' ')}{value}{where}"
    if step.duration_s:
        text += f" for {step.duration_s:g} s"
    if step.params:
        text += f" ({', '.join(f'{name} {value}' for name, value in step.params.items())})"
    if step.phase is not None:
        text += f", at the next phase {step.phase:.3f} of the health-check interval"
    return text


def _target(step: PlannedStep) -> str:
    if step.target is not None:
        return step.target
    return f"the backend at {step.pick:.3f} of the sorted free ones" if step.pick else "the first free backend"
