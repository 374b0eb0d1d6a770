"""refuse: connections are reset, new ones refused, while the process lives on."""

from __future__ import annotations

from ..drivers.targets import LinkTarget
from ..links.impairment import Impairment
from .base import Before, Layer, Verdict, measure_silence
from .link_fault import LinkFault, ScopedParams


class Refuse(LinkFault):
    """Answer every segment with RST."""

    kind = "refuse"
    layer = Layer.CUT
    params = ScopedParams

    def impairment(self, params: ScopedParams, duration_s: float) -> Impairment:
        return Impairment("refuse", duration_s, direction="in", **params.scope())

    async def measure(self, target: LinkTarget, params: ScopedParams, before: Before) -> Verdict:
        answer = await measure_silence(target)
        bit = before.answer.ok and answer.failure in ("refused", "reset")
        return Verdict(bit, f"direct probe before: {before.answer}; now: {answer}")
