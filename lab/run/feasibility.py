"""Checks, before any traffic is sent, whether this lab can carry out a plan."""

from __future__ import annotations

from ..actions import ACTIONS
from ..actions.base import Needs
from ..scenario import fault_kinds
from ..scenario.fault_kinds import RUNTIMES
from ..scenario.plan import Plan, PlannedStep
from ..services.clients import Json
from ..services.endpoints import Endpoints


def _needs(step: PlannedStep) -> Needs | None:
    return ACTIONS[step.act].needs if step.act else None


def obstacles(plan: Plan, endpoints: Endpoints, capabilities: Json) -> list[str]:
    """Return why the lab cannot carry out the plan, as one clause for each reason; empty if it can.

    `capabilities` is the chaos service's response to `GET /capabilities`, by fault kind.
    """
    found = [_missing_capability(step.fault, capabilities) for step in plan.steps if step.fault]
    if endpoints.runtime_control is None:
        found += [f"this lab cannot {step.act}" for step in plan.steps if _needs(step) is Needs.RUNTIME]
        if plan.balancer:
            found.append("the settings of this lab's balancer cannot be changed")
    if endpoints.operations is None:
        found += [
            f"this lab cannot {step.act}: its balancer has no operator"
            for step in plan.steps
            if _needs(step) is Needs.OPERATIONS
        ]
    if not endpoints.admin:
        found += [
            f"{step.act or 'a phase'} needs the balancer's admin API" for step in plan.steps if _needs_admin(step)
        ]
    return [*dict.fromkeys(each for each in found if each)]


def requirements(plan: Plan) -> list[str]:
    """Return what the plan needs that not every lab has; empty if every lab can carry it out.

    What the host lacks for a fault is not known before a lab runs: see `obstacles`.
    """
    kinds = [kind for step in plan.steps if step.fault and (kind := fault_kinds.find(step.fault))]
    runtimes = [name for name in RUNTIMES if all(kind.mechanisms[name] for kind in kinds)]
    found = [] if len(runtimes) == len(RUNTIMES) else [f"--runtime {' or '.join(runtimes)}"]
    found += [need.value for step in plan.steps if (need := _needs(step))]
    if any(_needs_admin(step) for step in plan.steps):
        found.append(Needs.ADMIN.value)
    if plan.balancer:
        found.append("a balancer whose settings the lab may change")
    return [*dict.fromkeys(found)]


def _needs_admin(step: PlannedStep) -> bool:
    return step.phase is not None or _needs(step) is Needs.ADMIN


def _missing_capability(kind: str, capabilities: Json) -> str:
    known = capabilities.get(kind)
    if known is None:
        return f"this lab's chaos service knows no fault {kind}"
    if known.get("possible"):
        return ""
    return f"{kind} is not possible here: {known.get('missing') or known.get('reason') or 'no reason given'}"
