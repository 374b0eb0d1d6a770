"""blackhole: packets to and from the service port disappear silently, as on a cut cable."""

from __future__ import annotations

from typing import Any

from ..drivers.targets import LinkTarget
from ..links.impairment import Direction
from .base import Before, Layer, Verdict, measure_silence
from .bound import Bound, Family, Look
from .link_fault import LinkFault, ScopedParams


class BlackholeParams(ScopedParams):
    """Which packets disappear."""

    direction: Direction = "both"
    """Direction from the target's view: `out` is what leaves it."""


class Blackhole(LinkFault):
    """Drop all packets. The local relay accepts connections but forwards nothing."""

    kind = effect = "blackhole"
    summary = "Docker: SYNs are dropped; local: connections are accepted, but nothing is received"
    past = "was cut off (packets dropped)"
    layer = Layer.CUT
    bound = Bound(Look(Family.SILENT))
    params = BlackholeParams

    def effects(self, params: BlackholeParams) -> dict[str, Any]:
        return {"direction": params.direction}

    async def measure(self, target: LinkTarget, params: BlackholeParams, before: Before) -> Verdict:
        answer = await measure_silence(target)
        bit = before.answer.ok and answer.failure in ("timeout", "connect_timeout")
        return Verdict(bit, f"direct probe before: {before.answer}; now: {answer}")


FAULT = Blackhole()
