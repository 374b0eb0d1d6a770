"""refuse: open connections are reset and new ones refused, while the process keeps running.

With a `share` below 100 %, only that share of the new connections is refused, and open ones stay open, as with a full
accept queue or with no file descriptor left.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import Field

from ..drivers.targets import LinkTarget
from ..inputs.units import Share
from .base import Before, Layer, Verdict, measure_silence
from .bound import Bound, Family, Look
from .link_fault import LinkFault, ScopedParams

ENOUGH = 20
"""Accepted probes after which the fault counts as absent, unless the share makes that likely."""
APART_S = 0.03
"""Seconds between two probes: the relay draws anew every 10 ms (`chaos.relay.relay.SLOT_S`)."""


class RefuseParams(ScopedParams):
    """Which connections are refused."""

    share: Share = Field(default=1.0, gt=0, validate_default=False)
    """Share of the new connections that are refused. Below 100 %, open connections are not reset."""


class Refuse(LinkFault):
    """Answer every segment, or a share of the SYNs, with RST."""

    kind = effect = "refuse"
    summary = "open connections reset, new ones refused"
    past = "refused connections"
    layer = Layer.CUT
    bound = Bound(Look(Family.REFUSING, "share 100 %"))
    params = RefuseParams

    def effects(self, params: RefuseParams) -> dict[str, Any]:
        return {"direction": "in", "share": params.share}

    async def measure(self, target: LinkTarget, params: RefuseParams, before: Before) -> Verdict:
        for asked in range(1, 2 if params.share == 1 else ENOUGH + 1):
            answer = await measure_silence(target)
            if answer.failure in ("refused", "reset"):
                return Verdict(before.answer.ok, f"direct probe before: {before.answer}; now, probe {asked}: {answer}")
            await asyncio.sleep(APART_S)
        unlikely = (1 - params.share) ** asked < 0.05
        return Verdict(False if unlikely else None, f"none of {asked} probes was refused: {answer}")


FAULT = Refuse()
