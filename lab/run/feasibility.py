"""Can this lab do what a plan asks? Asked before any traffic, so that nobody waits for a run that cannot be one."""

from __future__ import annotations

from ..scenario.plan import Plan, PlannedStep
from ..services.clients import Json
from ..services.endpoints import Endpoints

NEEDS_LEVERS = frozenset({"scale", "kill_balancer", "restart_balancer"})


def obstacles(plan: Plan, endpoints: Endpoints, capabilities: Json) -> list[str]:
    """Why the lab cannot carry the plan out, one clause each; empty when it can."""
    found = [_impossible(step.fault, capabilities) for step in plan.steps if step.fault]
    if endpoints.levers is None:
        found += [f"{step.act} is beyond this lab" for step in plan.steps if step.act in NEEDS_LEVERS]
        if plan.balancer:
            found.append("the balancer of this lab cannot be given other settings")
    if not endpoints.admin:
        found += [f"{step.act or 'a phase'} needs the balancer's admin API" for step in plan.steps if _asks_admin(step)]
    return [*dict.fromkeys(each for each in found if each)]


def _asks_admin(step: PlannedStep) -> bool:
    return step.phase is not None or step.act in {"drain", "maint", "weight", "rolling_restart"}


def _impossible(kind: str, capabilities: Json) -> str:
    known = capabilities.get(kind)
    if known is None:
        return f"this lab's chaos service knows no fault {kind}"
    if known.get("possible"):
        return ""
    return f"{kind} is not possible here: {known.get('missing') or known.get('reason') or 'no reason given'}"
