"""memory: the container may use no more than `limit`; the kernel kills one that needs more."""

from __future__ import annotations

from pydantic import Field

from ..drivers.targets import Injection, MemoryLimitable
from ..inputs.units import Size
from .base import NEEDS_CGROUP, Before, Layer, Params, Support, Verdict
from .bound import Bound, Family, Look

LEAST = 6 << 20
"""Docker's own minimum, bytes."""


class MemoryParams(Params):
    """How much memory is left."""

    limit: Size = Field(ge=LEAST)
    """The container's memory limit, swap included."""


class Memory:
    """Lower the memory limit, and that of swap with it."""

    kind = "memory"
    summary = "nothing until the kernel kills the process"
    layer = Layer.MEMORY
    bound = Bound(Look(Family.DEAD, "from the OOM kill; before that it is not detected"))
    needs = MemoryLimitable
    params = MemoryParams
    support = Support("docker update (memory)", lacking=NEEDS_CGROUP)

    async def preview_mechanism(self, target: MemoryLimitable, params: MemoryParams, duration_s: float) -> str | None:
        target.check_memory(params.limit)
        return None

    async def inject(self, target: MemoryLimitable, params: MemoryParams, duration_s: float) -> Injection:
        return await target.limit_memory(params.limit)

    async def verify(self, target: MemoryLimitable, params: MemoryParams, before: Before) -> Verdict:
        """Read back the kernel's limit, and how much of it is used."""
        usage = await target.memory()
        return Verdict(usage.limit == params.limit, f"read back: {usage.used} of {usage.limit} bytes used")

    async def heal(self, target: MemoryLimitable) -> None:
        await target.free_memory()


FAULT = Memory()
