"""memory: the container's memory limit is lowered to `limit`. If it needs more, the kernel kills it."""

from __future__ import annotations

from pydantic import Field

from ..drivers.targets import Injection, MemoryLimitable
from ..inputs.units import Size
from .base import NEEDS_CGROUP, Before, Layer, Params, Support, Verdict
from .bound import Bound, Family, Look

LEAST = 6 << 20
"""Lowest memory limit that Docker allows, in bytes."""


class MemoryParams(Params):
    """How much memory the container may use."""

    limit: Size = Field(ge=LEAST, examples=["64MiB"])
    """The container's memory limit, including swap."""


class Memory:
    """Lower the limits of memory and swap."""

    kind = "memory"
    summary = "nothing until the kernel kills the process"
    past = "had its memory limited"
    layer = Layer.MEMORY
    bound = Bound(Look(Family.DEAD, "from the OOM kill; before that it is not detected"))
    needs = MemoryLimitable
    params = MemoryParams
    support = Support({"docker": "docker update (memory)"}, lacking=NEEDS_CGROUP)

    async def preview_mechanism(self, target: MemoryLimitable, params: MemoryParams, duration_s: float) -> str | None:
        target.check_memory(params.limit)
        return None

    async def inject(self, target: MemoryLimitable, params: MemoryParams, duration_s: float) -> Injection:
        return await target.limit_memory(params.limit)

    async def verify(self, target: MemoryLimitable, params: MemoryParams, before: Before) -> Verdict:
        """Check the kernel's limit, and report how much of it is used."""
        usage = await target.memory()
        return Verdict(usage.limit == params.limit, f"read back: {usage.used} of {usage.limit} bytes used")

    async def heal(self, target: MemoryLimitable) -> None:
        await target.free_memory()


FAULT = Memory()
