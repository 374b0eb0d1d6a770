"""duplicate: a share of the packets arrives twice. TCP drops the second, so nobody but the kernel notices."""

from __future__ import annotations

from pydantic import Field

from ..drivers.probe import ask
from ..drivers.targets import LinkTarget
from ..inputs.units import Share
from ..links.impairment import Impairment
from .base import Before, Layer, Verdict
from .link_fault import CorrelatedParams, LinkFault


class DuplicateParams(CorrelatedParams):
    """`duplicate` in percent."""

    duplicate: Share = Field(gt=0)


class Duplicate(LinkFault):
    """Send packets twice."""

    kind = "duplicate"
    layer = Layer.SHAPE
    params = DuplicateParams

    def impairment(self, params: DuplicateParams, duration_s: float) -> Impairment:
        return Impairment("duplicate", duration_s, share=params.duplicate, **params.scope())

    async def measure(self, target: LinkTarget, params: DuplicateParams, before: Before) -> Verdict:
        """No answer shows it: asked once for packets to meet it, then the mechanism's counters decide."""
        await ask(await target.address(), timeout_s=0.5)
        return await self.read_back(target)
