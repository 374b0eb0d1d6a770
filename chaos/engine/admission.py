"""Checks an order before anything is changed. The checks whose errors help the client most come first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..drivers.targets import Runtime
from ..errors import NotPossibleError
from ..faults.base import Previewing
from . import guard
from .capabilities import check_possible
from .orders import Checked, Order, seed_of
from .records import FaultRecord
from .selection import select


async def admit(order: Order, runtime: Runtime, unhealed: Sequence[FaultRecord], max_duration_s: float) -> Checked:
    """Return the checked order. Raise the guard's errors.

    `unhealed` are all faults that are not healed, including those of other orders in progress. The caller writes the
    admitted faults to the journal before it admits the next order.
    """
    fault = guard.check_kind(order.kind)
    duration_s = guard.check_duration(order.duration, max_duration_s)
    params = guard.check_params(fault, order.params)
    backends = await runtime.targets()
    seed = seed_of(order)
    targets = select(order.target, backends, seed, runtime.disputed())
    offered = await check_possible(fault, runtime)
    if not all(isinstance(target, fault.needs) for target in targets):
        raise NotPossibleError(f"{order.kind} is not possible on the {runtime.name} runtime")
    for target in targets:
        guard.check_conflicts(fault, target.name, unhealed, params)
    await guard.check_running(targets)
    unprobed = await guard.check_reachable(fault, targets)
    await guard.check_dependents(fault, targets)
    faulted = frozenset(record.target for record in unhealed)
    if runtime.foreign:
        await guard.check_healthy([each for each in targets if each.name not in faulted | unprobed.keys()])
    if not order.allow_last:
        await guard.check_not_last([target.name for target in targets], backends, faulted)
    await asyncio.gather(*(target.remember() for target in targets))
    mechanism = offered.mechanism
    if isinstance(fault, Previewing):
        foreseen = await asyncio.gather(*(fault.preview_mechanism(target, params, duration_s) for target in targets))
        mechanism = foreseen[0] or mechanism
    return Checked(order, fault, params, duration_s, seed, targets, mechanism, unprobed)
