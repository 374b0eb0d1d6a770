"""corrupt: one bit of a share of the packets is flipped. TCP's checksum gives it away, so clients see it as loss."""

from __future__ import annotations

from pydantic import Field

from ..drivers.targets import LinkTarget
from ..inputs.units import Share
from ..links.impairment import Impairment
from .base import Before, Layer, Verdict
from .link_fault import CorrelatedParams, LinkFault, find_stall


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
