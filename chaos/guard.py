"""What may be faulted, and what may not: every rule that says no before anything is touched."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from chaos.errors import (
    BadRequestError,
    ConflictError,
    LastHealthyBackendError,
    RuntimeUnavailableError,
    UnknownTargetError,
)
from chaos.faults import FAULTS, AnyFault
from chaos.faults.base import Params
from chaos.probe import ask
from chaos.records import FaultRecord
from chaos.targets import Target
from chaos.units import parse_duration

HEALTHY_WITHIN_S = 0.5
"""A backend that takes longer than this to answer /health does not count as one that remains."""
MIN_DURATION_S = 0.1


def check_kind(kind: str) -> AnyFault:
    """Raises BadRequestError for a fault that does not exist."""
    if kind not in FAULTS:
        raise BadRequestError(f"there is no fault {kind!r}", possible=sorted(FAULTS))
    return FAULTS[kind]


def check_duration(text: object, max_s: float) -> float:
    """Seconds. Raises BadRequestError without a unit, or out of bounds."""
    try:
        duration_s = parse_duration(text)
    except ValueError as error:
        raise BadRequestError(f"duration: {error}", possible=["500ms", "5s", "2min"]) from error
    if not MIN_DURATION_S <= duration_s <= max_s:
        bounds = [f"{MIN_DURATION_S:g}s", f"{max_s:g}s"]
        raise BadRequestError(f"duration {text} is not within {bounds[0]} and {bounds[1]}", possible=bounds)
    return duration_s


def check_params(fault: AnyFault, params: dict[str, Any]) -> Params:
    """Raises BadRequestError that names each bad parameter and what was expected."""
    try:
        return fault.params.model_validate(params)
    except ValidationError as error:
        problems = "; ".join(f"params.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise BadRequestError(problems, possible=sorted(fault.params.model_fields)) from error


def check_target(name: str, backends: Sequence[Target]) -> Target:
    """Raises UnknownTargetError for anything that is not one of this lab's backends."""
    for target in backends:
        if target.name == name:
            return target
    raise UnknownTargetError(f"this lab has no backend {name!r}", possible=[target.name for target in backends])


def check_conflicts(fault: AnyFault, target: str, owed: Iterable[FaultRecord]) -> None:
    """Raises ConflictError where a fault that is not healed yet occupies what this one needs."""
    for record in owed:
        if record.target == target and FAULTS[record.kind].layer.conflicts(fault.layer):
            raise ConflictError(f"{target} already has {record.kind} ({record.id}, {record.state})")


async def check_not_last(target: str, backends: Sequence[Target], faulted: Collection[str]) -> None:
    """Raises LastHealthyBackendError unless another backend, without a fault, answers its health check now."""
    others = [other for other in backends if other.name != target and other.name not in faulted]
    if not any(await asyncio.gather(*map(_healthy, others))):
        raise LastHealthyBackendError(f"{target} is the last healthy backend", possible=["allow_last: true"])


async def _healthy(target: Target) -> bool:
    try:
        return (await ask(await target.address(), timeout_s=HEALTHY_WITHIN_S)).ok
    except RuntimeUnavailableError:
        return False
