"""Adapts a plan to an attached project, which has neither the paths of the lab's own backends nor Reroute's bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from ...scenario.plan import Plan
from ...scenario.units import WITHIN_BOUND
from .lab_file import Expected, LabFile

OWN_PATHS: Final = frozenset({"/work", "/jobs", "/echo", "/ws", "/stream"})
"""Paths of the lab's own backends that scenarios of the library request."""
_LEDGER: Final = ("lost", "duplicated", "zombie")
_UNKNOWN_TO_CLIENTS: Final = ("distribution", "ejected")
"""Expectations that need the balancer's settings or events."""
_READMISSION_MARGIN_S: Final = 5.0


def adapted(plan: Plan, lab_file: LabFile, *, has_bounds: bool) -> Plan:
    """Return the plan with the requests, rate and expectations of the lab file.

    - A mix that requests paths of the lab's own backends is replaced by `requests`.
    - `within_bound` becomes the limit in `expect`. Without one it stays if `has_bounds`, otherwise it is not asserted.
    - What only the balancer's admin API or the backends' ledgers can show is not asserted.
    """
    load = plan.load
    if any(kind.path.partition("?")[0] in OWN_PATHS for kind in load.mix):
        load = replace(load, mix=tuple(kind.planned(own_backends=False) for kind in lab_file.requests))
    if lab_file.rate is not None:
        load = replace(load, rate=lab_file.rate)
    limit_s = max(plan.settle_limit_s, (lab_file.expect.readmit or 0.0) + _READMISSION_MARGIN_S)
    return replace(
        plan, load=load, settle_limit_s=limit_s, expect=_expectations(plan.expect, lab_file.expect, has_bounds)
    )


def _expectations(expect: dict[str, Any], ours: Expected, has_bounds: bool) -> dict[str, Any]:
    found = {**expect, **dict.fromkeys((*_LEDGER, *_UNKNOWN_TO_CLIENTS))}
    given = ours.model_dump(mode="json", exclude_none=True)
    for name in ("reroute", "readmit"):
        if expect.get(name) == WITHIN_BOUND:
            found[name] = given.get(name) or (WITHIN_BOUND if has_bounds else None)
    for name in ("idempotent_failures", "error_budget", "slow_budget"):
        if expect.get(name) is not None and name in given:
            found[name] = given[name]
    return found
