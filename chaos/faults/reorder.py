"""reorder: a share of the packets overtakes the others, which are held back for that. TCP restores the order."""

from __future__ import annotations

from pydantic import Field

from ..drivers.probe import ask
from ..drivers.targets import LinkTarget
from ..inputs.units import Seconds, Share
from ..links.impairment import Impairment
from .base import Before, Layer, Verdict
from .link_fault import CorrelatedParams, LinkFault


class ReorderParams(CorrelatedParams):
    """`reorder` in percent are sent at once, all others after `delay`."""

    reorder: Share = Field(gt=0)
    delay: Seconds = Field(default=0.01, gt=0, le=60, validate_default=False)


class Reorder(LinkFault):
    """Let packets overtake others."""

    kind = "reorder"
    layer = Layer.SHAPE
    params = ReorderParams

    def impairment(self, params: ReorderParams, duration_s: float) -> Impairment:
        return Impairment("reorder", duration_s, share=params.reorder, delay_s=params.delay, **params.scope())

    async def measure(self, target: LinkTarget, params: ReorderParams, before: Before) -> Verdict:
        """No answer shows it: asked once for packets to meet it, then the mechanism's counters decide."""
        await ask(await target.address(), timeout_s=0.5)
        return await self.read_back(target)
