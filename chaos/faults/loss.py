"""loss: a share of the packets disappears; TCP retransmits, so clients see stalls, and with much loss silence."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ..drivers.targets import LinkTarget
from ..inputs.units import Share
from ..links.impairment import Impairment, LossModel
from .base import Before, Layer, Verdict
from .link_fault import CorrelatedParams, LinkFault, find_stall


class LossParams(CorrelatedParams):
    """`loss` in percent, on average; `recovery` is the chance of a burst to end with each packet (gilbert-elliott)."""

    loss: Share = Field(gt=0)
    model: LossModel = "bernoulli"
    recovery: Share = Field(default=0.25, gt=0, validate_default=False)


class Loss(LinkFault):
    """Drop packets at random, one by one or in bursts."""

    kind = "loss"
    layer = Layer.SHAPE
    params = LossParams

    def impairment(self, params: LossParams, duration_s: float) -> Impairment:
        asked: dict[str, Any] = {"loss": params.loss, "model": params.model, "recovery": params.recovery}
        return Impairment("loss", duration_s, **asked, **params.scope())

    async def measure(self, target: LinkTarget, params: LossParams, before: Before) -> Verdict:
        verdict = await find_stall(target, params.loss, before)
        # A burst that none of our packets met proves nothing.
        is_steady = params.model == "bernoulli" and not params.correlation
        return verdict if verdict.bit or is_steady else Verdict(None, verdict.evidence)
