"""Which faults are possible on this host, and by what."""

from __future__ import annotations

from ..drivers.targets import Capability, Runtime
from ..errors import NotPossibleError
from ..faults import FAULTS, AnyFault


async def capability(fault: AnyFault, runtime: Runtime) -> Capability:
    """Whether and how. The kernel is probed once, by the runtime."""
    if fault.mechanism is None:
        return await runtime.link_capability(fault.kind)
    return Capability(possible=True, mechanism=fault.mechanism)


async def check_possible(fault: AnyFault, runtime: Runtime) -> Capability:
    """Raises NotPossibleError with what is possible instead."""
    offered = await capability(fault, runtime)
    if not offered.possible:
        possible = [kind for kind, each in FAULTS.items() if (await capability(each, runtime)).possible]
        raise NotPossibleError(f"{fault.kind} is not possible on this host: it lacks {offered.missing}", possible)
    return offered
