"""Determines which faults are possible on this host, and by which mechanism."""

from __future__ import annotations

from ..drivers.targets import Capability, Orderable, Runtime
from ..errors import NotPossibleError
from ..faults import FAULTS, AnyFault
from ..faults.base import needs
from ..faults.link_fault import LinkFault

OWN_BACKENDS = "backends that take orders to misbehave (the lab's own ones, PUT /misbehave)"


async def capability(fault: AnyFault, runtime: Runtime) -> Capability:
    """Return whether the fault is possible, and by which mechanism. The runtime probes the kernel once."""
    if isinstance(fault, LinkFault):
        return await runtime.link_capability(fault.effect)
    if needs(fault, Orderable) and not runtime.orders:
        return Capability(possible=False, missing=OWN_BACKENDS)
    mechanism = fault.support.on(runtime.name)
    return Capability(possible=bool(mechanism), mechanism=mechanism or None, missing=fault.support.lacking or None)


async def check_possible(fault: AnyFault, runtime: Runtime) -> Capability:
    """Return the fault's capability. Raise NotPossibleError, with the alternatives, if this host cannot inject it."""
    offered = await capability(fault, runtime)
    if not offered.possible:
        possible = [kind for kind, each in FAULTS.items() if (await capability(each, runtime)).possible]
        raise NotPossibleError(f"{fault.kind} is not possible on this host: it lacks {offered.missing}", possible)
    return offered
