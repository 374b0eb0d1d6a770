"""bandwidth: the link is slow. Small answers pass as before, large ones take long, and all share the rate."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ..drivers.probe import download
from ..drivers.targets import LinkTarget
from ..inputs.units import BitRate
from ..links.impairment import Direction
from .base import Before, Layer, Verdict
from .bound import LATE_LINK
from .link_fault import LinkFault, ScopedParams

PROBE_S = 0.6
"""Seconds that the probe's download takes at the limited rate."""
PROBE_BYTES = (16 << 10, 4 << 20)
BURST_BYTES = 64 << 10
"""Bytes that may pass at once: the token bucket, and one segment that the network card would split."""
PATIENCE_S = 1.9
MEASURED_SHARE = 0.7


class BandwidthParams(ScopedParams):
    """Rate of the link, and which traffic it applies to."""

    rate: BitRate = Field(ge=8_000, le=10e9, examples=["1mbit"])
    """Bits per second; `k`, `m` and `g` are decimal."""
    direction: Direction = "out"
    """Direction from the target's view: `out` is what leaves it."""
    mechanism: Literal["auto", "htb", "nfqueue"] = "auto"
    """Use this mechanism only. If it is impossible, the error lists the possible ones."""


class Bandwidth(LinkFault):
    """Limit the rate."""

    kind = effect = "bandwidth"
    summary = "large responses take long, concurrent ones delay each other"
    past = "had its bandwidth limited"
    layer = Layer.SHAPE
    bound = LATE_LINK
    params = BandwidthParams

    def effects(self, params: BandwidthParams) -> dict[str, Any]:
        return {"rate_bit_s": params.rate, "direction": params.direction, "mechanism": params.mechanism}

    async def measure(self, target: LinkTarget, params: BandwidthParams, before: Before) -> Verdict:
        if params.direction == "in":
            return await self.read_back(target)
        if target.foreign:  # it has no path that answers with as many bytes as are asked for
            return await self.count(target)
        asked = int(min(max(params.rate / 8 * PROBE_S, PROBE_BYTES[0]), PROBE_BYTES[1]))
        got, took_s = await download(await target.address(), asked, timeout_s=PATIENCE_S)
        evidence = f"{got} of {asked} bytes in {took_s * 1000:.0f} ms"
        least_s = MEASURED_SHARE * (got - BURST_BYTES) * 8 / params.rate
        if got == asked and least_s < 0.05:
            return Verdict(None, f"{evidence}: at this rate, a limited link cannot be told from an unlimited one")
        return Verdict(took_s >= least_s, evidence)


FAULT = Bandwidth()
