"""The rules by which a fault is refused before anything is changed."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from ..drivers.probe import ask, why_unreachable
from ..drivers.targets import Killable, Running, Stoppable, Target
from ..errors import (
    BadRequestError,
    ConflictError,
    LastHealthyBackendError,
    NotRunningError,
    RuntimeUnavailableError,
    UnhealthyTargetError,
    UnreachableTargetError,
)
from ..faults import FAULTS, AnyFault
from ..faults.base import Params, needs, works_unprobed
from ..faults.link_fault import LinkFault
from ..inputs.units import parse_duration
from ..inputs.validation_errors import problems
from .records import FaultRecord

HEALTHY_WITHIN_S = 0.5
"""A backend that takes longer than this to answer /health does not count as healthy."""
ANSWERS_WITHIN_S = 3.0
"""Time limit of the health check before a fault on a foreign backend, seconds. A busy host may need that long."""
MIN_DURATION_S = 0.1
SCOPE = ("peer", "direction", "port")


def check_kind(kind: str) -> AnyFault:
    """Return the kind of that name. Raise BadRequestError if there is none."""
    if kind not in FAULTS:
        raise BadRequestError(f"there is no fault kind {kind!r}", possible=sorted(FAULTS))
    return FAULTS[kind]


def check_duration(text: object, max_s: float) -> float:
    """Return the duration in seconds. Raise BadRequestError if it has no unit or is out of bounds."""
    try:
        duration_s = parse_duration(text)
    except ValueError as error:
        raise BadRequestError(f"duration: {error}", possible=["500ms", "5s", "2min"]) from error
    if not MIN_DURATION_S <= duration_s <= max_s:
        bounds = [f"{MIN_DURATION_S:g}s", f"{max_s:g}s"]
        raise BadRequestError(f"duration {text} is not between {bounds[0]} and {bounds[1]}", possible=bounds)
    return duration_s


def check_params(fault: AnyFault, params: dict[str, Any]) -> Params:
    """Return the parsed parameters. Raise BadRequestError with each invalid parameter and what was expected."""
    try:
        return fault.params.model_validate(params)
    except ValidationError as error:
        possible = sorted(fault.params.model_fields) or [f"{fault.kind} without parameters"]
        raise BadRequestError(problems(error, fault.params, "params"), possible) from error


def check_conflicts(
    fault: AnyFault, target: str, unhealed: Iterable[FaultRecord], params: Params | None = None
) -> None:
    """Raise ConflictError if an unhealed fault occupies the same layer of the target.

    Two faults that shape the same link also conflict if they act on different packets.
    """
    for record in unhealed:
        if record.target != target:
            continue
        other = FAULTS[record.kind]
        same_effect = isinstance(fault, LinkFault) and isinstance(other, LinkFault) and fault.effect == other.effect
        if record.kind == fault.kind or same_effect or other.layer.conflicts(fault.layer):
            raise ConflictError(f"{target} already has {record.kind} ({record.id}, {record.state})")
        if params is not None and isinstance(fault, LinkFault) and isinstance(other, LinkFault):
            theirs = other.params.model_validate(record.params)
            if fault.impairment(params, 1.0).scope != other.impairment(theirs, 1.0).scope:
                raise ConflictError(
                    f"{target} already has {record.kind} ({record.id}); several faults that shape one link need the "
                    f"same {', '.join(SCOPE)}"
                )


async def check_running(targets: Collection[Target]) -> None:
    """Raise NotRunningError if a target is down or frozen, because the fault would have no visible effect.

    It also means that every target was running before its fault; that is the state that a heal restores.
    """
    for target, state in zip(targets, await asyncio.gather(*(each.running() for each in targets)), strict=True):
        if state is not Running.RUNNING:
            raise NotRunningError(f"{target.name} is {state}: faults are possible only on a running target")


async def check_reachable(fault: AnyFault, targets: Collection[Target]) -> dict[str, str]:
    """Return the names of the targets that cannot be probed, each with the reason.

    Raise UnreachableTargetError if there is one and the fault needs direct probes to be verified.
    """
    reasons = {target.name: reason for target in targets if (reason := await why_unreachable(target))}
    if reasons and not works_unprobed(fault):
        raise UnreachableTargetError("; ".join(reasons.values()))
    return reasons


async def check_dependents(fault: AnyFault, targets: Collection[Target]) -> None:
    """Raise ConflictError if the fault ends a process whose network namespace others share, because no heal could give
    them a network again."""
    for target in targets if needs(fault, Killable, Stoppable) else ():
        if found := await target.dependents():
            names = " and ".join(sorted(found))
            told = f"{fault.kind} would leave {names} without a network: they use that of {target.name} (network_mode)"
            raise ConflictError(told, possible=["pause", "blackhole"])


async def check_healthy(targets: Collection[Target]) -> None:
    """Raise UnhealthyTargetError if a target does not answer its health check.

    Its check is then probably not the one that was configured. Neither a fault nor its end could be measured.
    """
    for target in targets:
        address = await target.address()
        answer = await ask(address, timeout_s=ANSWERS_WITHIN_S)
        if not answer.ok:
            told = f"{target.name} fails its health check, {address.health} at {address}, without a fault: {answer}"
            raise UnhealthyTargetError(told, possible=["CHAOS_HEALTH_PATH", "CHAOS_SERVICE_PORT", "CHAOS_HEALTH=tcp"])


async def check_not_last(targets: Collection[str], backends: Sequence[Target], faulted: Collection[str]) -> None:
    """Raise LastHealthyBackendError unless a backend without a fault, other than the `targets`, is healthy now."""
    others = [other for other in backends if other.name not in targets and other.name not in faulted]
    if not any(await asyncio.gather(*map(_healthy, others))):
        names = " and ".join(sorted(targets))
        verb = "is the last healthy backend" if len(targets) == 1 else "are the last healthy backends"
        raise LastHealthyBackendError(f"{names} {verb}", possible=["allow_last: true"])


async def _healthy(target: Target) -> bool:
    """Return whether the target answers its health check or, if it cannot be probed, whether it runs."""
    try:
        if await why_unreachable(target):
            return await target.running() is Running.RUNNING
        return (await ask(await target.address(), timeout_s=HEALTHY_WITHIN_S)).ok
    except RuntimeUnavailableError:
        return False
