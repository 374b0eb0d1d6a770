"""memory: the container may use no more than `limit`; one that needs more is killed by the kernel."""

from __future__ import annotations

from pydantic import Field

from ..drivers.targets import Injection, MemoryLimitable
from ..inputs.units import Size
from .base import Before, Layer, Params, Verdict

LEAST = 6 << 20
"""Docker's own minimum."""


class MemoryParams(Params):
    """`limit` with its unit, such as `64MiB`."""

    limit: Size = Field(ge=LEAST)


class Memory:
    """Lower the memory limit; swap is not to be had instead."""

    kind = "memory"
    layer = Layer.MEMORY
    needs = MemoryLimitable
    params = MemoryParams
    mechanism = None

    async def foresee(self, target: MemoryLimitable, params: MemoryParams, duration_s: float) -> str | None:
        target.check_memory(params.limit)
        return None

    async def inject(self, target: MemoryLimitable, params: MemoryParams, duration_s: float) -> Injection:
        return await target.limit_memory(params.limit)

    async def verify(self, target: MemoryLimitable, params: MemoryParams, before: Before) -> Verdict:
        """The kernel's word for the limit, and how much of it is used."""
        usage = await target.memory()
        return Verdict(usage.limit == params.limit, f"read back: {usage.used} of {usage.limit} bytes used")

    async def heal(self, target: MemoryLimitable) -> None:
        await target.free_memory()
