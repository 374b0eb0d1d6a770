"""loss: a share of the packets is dropped. TCP retransmits, so clients see stalls, or no answer if the loss is high."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ..drivers.targets import LinkTarget
from ..inputs.units import Share
from ..links.impairment import LossModel
from .base import Before, Layer, Verdict
from .bound import Bound, Family, Look
from .link_fault import CorrelatedParams, LinkFault, find_stall


class LossParams(CorrelatedParams):
    """Which packets are lost."""

    loss: Share = Field(gt=0, examples=["30%"])
    """Mean share of packets lost."""
    model: LossModel = "bernoulli"
    """`bernoulli`: each packet independently. `gilbert-elliott`: in bursts."""
    recovery: Share = Field(default=0.25, gt=0, validate_default=False)
    """`gilbert-elliott`: probability per packet that a burst ends."""


class Loss(LinkFault):
    """Drop packets at random, one by one or in bursts."""

    kind = effect = "loss"
    summary = "stalls of one or more retransmission time-outs"
    past = "lost packets"
    layer = Layer.SHAPE
    bound = Bound(Look(Family.SILENT, "100 % loss; less is repaired by TCP or shows as delay"))
    params = LossParams

    def effects(self, params: LossParams) -> dict[str, Any]:
        return {"loss": params.loss, "model": params.model, "recovery": params.recovery}

    async def measure(self, target: LinkTarget, params: LossParams, before: Before) -> Verdict:
        verdict = await find_stall(target, params.loss, before)
        # If losses come in bursts, all probes may fall between two bursts.
        is_steady = params.model == "bernoulli" and not params.correlation
        return verdict if verdict.bit or is_steady else Verdict(None, verdict.evidence)


FAULT = Loss()
