"""bandwidth: the link is narrow. Small answers pass as before, large ones take their time, many wait for each other."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ..drivers.probe import download
from ..drivers.targets import LinkTarget
from ..inputs.units import BitRate
from ..links.impairment import Direction, Impairment
from .base import Before, Layer, Verdict
from .link_fault import LinkFault, ScopedParams

PROBE_S = 0.6
"""The probe's download would take this long at the rate that was asked for."""
PROBE_BYTES = (16 << 10, 4 << 20)
BURST_BYTES = 64 << 10
"""What may pass at once: the bucket, and one segment that the network card would split."""
PATIENCE_S = 1.9
MEASURED_SHARE = 0.7


class BandwidthParams(ScopedParams):
    """`rate` in bits per second, such as `1mbit`."""

    rate: BitRate = Field(ge=8_000, le=10e9)
    direction: Direction = "out"
    mechanism: Literal["auto", "htb", "nfqueue"] = "auto"


class Bandwidth(LinkFault):
    """Limit the rate."""

    kind = "bandwidth"
    layer = Layer.SHAPE
    params = BandwidthParams

    def impairment(self, params: BandwidthParams, duration_s: float) -> Impairment:
        asked: dict[str, Any] = {
            "rate_bit_s": params.rate,
            "direction": params.direction,
            "mechanism": params.mechanism,
        }
        return Impairment("bandwidth", duration_s, **asked, **params.scope())

    async def measure(self, target: LinkTarget, params: BandwidthParams, before: Before) -> Verdict:
        if params.direction == "in":
            return await self.read_back(target)
        asked = int(min(max(params.rate / 8 * PROBE_S, PROBE_BYTES[0]), PROBE_BYTES[1]))
        got, took_s = await download(await target.address(), asked, timeout_s=PATIENCE_S)
        evidence = f"{got} of {asked} bytes in {took_s * 1000:.0f} ms"
        least_s = MEASURED_SHARE * (got - BURST_BYTES) * 8 / params.rate
        if got == asked and least_s < 0.05:
            return Verdict(None, f"{evidence}: too fast a link to be told from none")
        return Verdict(took_s >= least_s, evidence)
