"""corrupt: one bit of a share of the packets is flipped. TCP's checksum gives it away, so clients see it as loss."""

from __future__ import annotations

from pydantic import Field

from chaos.drivers.targets import LinkTarget
from chaos.faults.base import Before, Layer, Verdict
from chaos.faults.link_fault import CorrelatedParams, LinkFault, find_stall
from chaos.inputs.units import Share
from chaos.links.impairment import Impairment


class CorruptParams(CorrelatedParams):
    """`corrupt` in percent."""

    corrupt: Share = Field(gt=0)


class Corrupt(LinkFault):
    """Flip bits."""

    kind = "corrupt"
    layer = Layer.SHAPE
    params = CorruptParams

    def impairment(self, params: CorruptParams, duration_s: float) -> Impairment:
        return Impairment("corrupt", duration_s, share=params.corrupt, **params.scope())

    async def measure(self, target: LinkTarget, params: CorruptParams, before: Before) -> Verdict:
        return await find_stall(target, params.corrupt, before)
