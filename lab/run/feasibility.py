"""Can this lab do what a plan asks? Asked before any traffic, so that nobody waits for a run that cannot be one."""

from __future__ import annotations

from ..actions import ACTIONS
from ..actions.base import Needs
from ..scenario.plan import Plan, PlannedStep
from ..services.clients import Json
from ..services.endpoints import Endpoints


def _needs(step: PlannedStep) -> Needs | None:
    return ACTIONS[step.act].needs if step.act else None


def obstacles(plan: Plan, endpoints: Endpoints, capabilities: Json) -> list[str]:
    """Why the lab cannot carry the plan out, one clause each; empty when it can."""
    found = [_impossible(step.fault, capabilities) for step in plan.steps if step.fault]
    if endpoints.levers is None:
        found += [f"{step.act} is beyond this lab" for step in plan.steps if _needs(step) is Needs.RUNTIME]
        if plan.balancer:
            found.append("the balancer of this lab cannot be given other settings")
    if not endpoints.admin:
        found += [f"{step.act or 'a phase'} needs the balancer's admin API" for step in plan.steps if _asks_admin(step)]
    return [*dict.fromkeys(each for each in found if each)]


def _asks_admin(step: PlannedStep) -> bool:
    return step.phase is not None or _needs(step) is Needs.ADMIN


def _impossible(kind: str, capabilities: Json) -> str:
    known = capabilities.get(kind)
    if known is None:
        return f"this lab's chaos service knows no fault {kind}"
    if known.get("possible"):
        return ""
    return f"{kind} is not possible here: {known.get('missing') or known.get('reason') or 'no reason given'}"
