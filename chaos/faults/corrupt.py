"""corrupt: in a share of the packets, one bit is flipped. TCP's checksum detects it, so the effect is that of loss."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ..drivers.targets import LinkTarget
from ..inputs.units import Share
from .base import Before, Layer, Verdict
from .bound import Bound, Family, Look
from .link_fault import CorrelatedParams, LinkFault, find_stall


class CorruptParams(CorrelatedParams):
    """How many packets are corrupted."""

    corrupt: Share = Field(gt=0, examples=["30%"])
    """Share of packets corrupted."""


class Corrupt(LinkFault):
    """Flip bits."""

    kind = effect = "corrupt"
    summary = "as loss: TCP's checksum detects it"
    past = "had packets corrupted"
    layer = Layer.SHAPE
    bound = Bound(Look(Family.HARMLESS, "TCP checksums turn it into loss, which TCP repairs"))
    params = CorruptParams

    def effects(self, params: CorruptParams) -> dict[str, Any]:
        return {"share": params.corrupt}

    async def measure(self, target: LinkTarget, params: CorruptParams, before: Before) -> Verdict:
        return await find_stall(target, params.corrupt, before)


FAULT = Corrupt()
