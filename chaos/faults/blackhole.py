"""blackhole: packets to and from the service port disappear without a word, as on a cut cable."""

from __future__ import annotations

from ..drivers.targets import LinkTarget
from ..links.impairment import Direction, Impairment
from .base import Before, Layer, Verdict, measure_silence
from .link_fault import LinkFault, ScopedParams


class BlackholeParams(ScopedParams):
    """Which packets disappear."""

    direction: Direction = "both"


class Blackhole(LinkFault):
    """Drop everything. The local relay can only fall silent after the handshake; connects succeed there."""

    kind = "blackhole"
    layer = Layer.CUT
    params = BlackholeParams

    def impairment(self, params: BlackholeParams, duration_s: float) -> Impairment:
        return Impairment("blackhole", duration_s, direction=params.direction, **params.scope())

    async def measure(self, target: LinkTarget, params: BlackholeParams, before: Before) -> Verdict:
        answer = await measure_silence(target)
        bit = before.answer.ok and answer.failure in ("timeout", "connect_timeout")
        return Verdict(bit, f"direct probe before: {before.answer}; now: {answer}")
