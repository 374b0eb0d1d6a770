"""cpu: the target gets only a share of one CPU, so that it works, slowly. Idle, it hardly shows."""

from __future__ import annotations

from pydantic import Field

from ..drivers.targets import CpuLimitable, Injection
from ..inputs.units import Share
from .base import Before, Layer, Params, Verdict


class CpuParams(Params):
    """`cpu`: the share of one CPU that is left."""

    cpu: Share = Field(ge=0.01)


class Cpu:
    """Throttle the process."""

    kind = "cpu"
    layer = Layer.CPU
    needs = CpuLimitable
    params = CpuParams
    mechanism = None

    async def inject(self, target: CpuLimitable, params: CpuParams, duration_s: float) -> Injection:
        return await target.limit_cpu(params.cpu, duration_s)

    async def verify(self, target: CpuLimitable, params: CpuParams, before: Before) -> Verdict:
        """Read back; its effect depends on how much the target would use."""
        share = await target.cpu_share()
        return Verdict(share is not None and abs(share - params.cpu) < 0.001, f"read back: share of a CPU {share}")

    async def heal(self, target: CpuLimitable) -> None:
        await target.free_cpu()
