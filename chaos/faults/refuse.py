"""refuse: open connections are reset and new ones refused, while the process keeps running."""

from __future__ import annotations

from typing import Any

from ..drivers.targets import LinkTarget
from .base import Before, Layer, Verdict, measure_silence
from .bound import Bound, Family, Look
from .link_fault import LinkFault, ScopedParams


class Refuse(LinkFault):
    """Answer every segment with RST."""

    kind = effect = "refuse"
    summary = "open connections reset, new ones refused"
    past = "refused connections"
    layer = Layer.CUT
    bound = Bound(Look(Family.REFUSING))
    params = ScopedParams

    def effects(self, params: ScopedParams) -> dict[str, Any]:
        return {"direction": "in"}

    async def measure(self, target: LinkTarget, params: ScopedParams, before: Before) -> Verdict:
        answer = await measure_silence(target)
        bit = before.answer.ok and answer.failure in ("refused", "reset")
        return Verdict(bit, f"direct probe before: {before.answer}; now: {answer}")


FAULT = Refuse()
