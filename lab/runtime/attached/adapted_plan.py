"""Adapts a plan to an attached project, which has neither the paths of the lab's own backends nor Reroute's bounds."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from ...scenario.fault_kinds import like
from ...scenario.plan import Plan, PlannedStep
from ...scenario.units import WITHIN_BOUND
from .lab_file import Expected, LabFile

OWN_PATHS: Final = frozenset({"/work", "/jobs", "/echo", "/ws", "/stream"})
"""Paths of the lab's own backends that scenarios of the library request."""
_LEDGER: Final = ("lost", "duplicated", "zombie")
_UNKNOWN_TO_CLIENTS: Final = ("distribution", "ejected")
"""Expectations that need the balancer's settings or events."""
_OWN_TARGET: Final = re.compile(r"api-(\d{1,3})")
_OWN_TARGETS: Final = 3
"""Number of backends for which the library's scenarios are written."""
_READMISSION_MARGIN_S: Final = 5.0


def adapted(plan: Plan, lab_file: LabFile, bounds: Iterable[Mapping[str, Any]]) -> Plan:
    """Return the plan with the requests, rate and expectations of the lab file.

    - A mix with requests to the lab's own backends is replaced by `requests`. A kind with a field such as `status` is
      none, whatever its path.
    - `within_bound` becomes the limit in `expect`. Without one it stays if each fault of the plan has a bound (from the
      balancer's configuration), otherwise it is not asserted.
    - A target that the lab's own backends are called, such as `api-2`, becomes the second target of the project.
    - What only the balancer's admin API or the backends' ledgers can show is not asserted.
    """
    load = plan.load
    if any(kind.exchange is None and kind.path.partition("?")[0] in OWN_PATHS for kind in load.mix):
        load = replace(load, mix=tuple(kind.planned(own_backends=False) for kind in lab_file.requests))
    if lab_file.rate is not None:
        load = replace(load, rate=lab_file.rate)
    steps = tuple(_with_target(step, lab_file.backends.services) for step in plan.steps)
    limit_s = max(plan.settle_limit_s, (lab_file.expect.readmit or 0.0) + _READMISSION_MARGIN_S)
    return replace(
        plan, load=load, steps=steps, settle_limit_s=limit_s, expect=_expectations(plan, lab_file.expect, [*bounds])
    )


def _with_target(step: PlannedStep, services: Collection[str]) -> PlannedStep:
    """Return the step with a rank in place of a name that only our own lab has."""
    match = _OWN_TARGET.fullmatch(step.target or "")
    if match is None or "api" in services:
        return step
    return replace(step, target=None, pick=min((int(match[1]) - 1) / _OWN_TARGETS, 0.999))


def _expectations(plan: Plan, ours: Expected, bounds: list[Mapping[str, Any]]) -> dict[str, Any]:
    expect = plan.expect
    faults = {step.fault for step in plan.steps if step.fault}
    found = {**expect, **dict.fromkeys((*_LEDGER, *_UNKNOWN_TO_CLIENTS))}
    given = ours.model_dump(mode="json", exclude_none=True)
    for name in ("reroute", "readmit"):
        if expect.get(name) == WITHIN_BOUND:
            known = {each["fault"] for each in bounds if each[f"{name}_s"] is not None}
            bounded = all({fault, like(fault)} & known for fault in faults)
            found[name] = given.get(name) or (WITHIN_BOUND if bounded else None)
    for name in ("idempotent_failures", "error_budget", "slow_budget"):
        if expect.get(name) is not None and name in given:
            found[name] = given[name]
    return found
