"""cpu: the target gets only a share of one CPU, so that it works slowly. On an idle target the effect is small."""

from __future__ import annotations

from pydantic import Field

from ..drivers.targets import CpuLimitable, Injection
from ..inputs.units import Share
from .base import NEEDS_CGROUP, Before, Layer, Params, Support, Verdict
from .bound import LATE_LINK


class CpuParams(Params):
    """Parameters of the fault `cpu`."""

    cpu: Share = Field(ge=0.01, examples=["10%"])
    """Share of one CPU that the target may use."""


class Cpu:
    """Limit the CPU time of the container."""

    kind = "cpu"
    summary = "late responses under load"
    past = "had its CPU limited"
    layer = Layer.CPU
    bound = LATE_LINK
    needs = CpuLimitable
    params = CpuParams
    support = Support({"docker": "docker update (CPU quota)"}, lacking=NEEDS_CGROUP)

    async def inject(self, target: CpuLimitable, params: CpuParams, duration_s: float) -> Injection:
        return await target.limit_cpu(params.cpu, duration_s)

    async def verify(self, target: CpuLimitable, params: CpuParams, before: Before) -> Verdict:
        """Check the quota only, because the effect depends on how much CPU the target needs."""
        share = await target.cpu_share()
        return Verdict(share is not None and abs(share - params.cpu) < 0.001, f"read back: share of a CPU {share}")

    async def heal(self, target: CpuLimitable) -> None:
        await target.free_cpu()


FAULT = Cpu()
