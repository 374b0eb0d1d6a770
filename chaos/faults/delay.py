"""delay: answers leave later than they would, so that every round trip grows by the delay.

On Docker the handshake's SYN-ACK is an answer too, so a request on a new connection takes the delay twice, on an open
one once; the local relay delays bytes, not the handshake.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ..drivers.probe import ask
from ..drivers.targets import LinkTarget
from ..inputs.units import Seconds
from ..links.impairment import Distribution, Impairment
from .base import VERIFY_DEADLINE_S, Before, Layer, Verdict
from .link_fault import CorrelatedParams, LinkFault

MEASURED_SHARE = 0.8
"""The round trip must have grown by this share of what was asked: the rest is the noise of a busy host's baseline."""

PATIENCE_S = VERIFY_DEADLINE_S - 0.1


class DelayParams(CorrelatedParams):
    """`delay` and `jitter` with units; jitter is ± around the delay (uniform) or its standard deviation."""

    delay: Seconds = Field(gt=0, le=60)
    jitter: Seconds = Field(default=0.0, ge=0)
    distribution: Distribution = "uniform"


class Delay(LinkFault):
    """Hold packets back."""

    kind = "delay"
    layer = Layer.SHAPE
    params = DelayParams

    def impairment(self, params: DelayParams, duration_s: float) -> Impairment:
        asked: dict[str, Any] = {
            "delay_s": params.delay,
            "jitter_s": params.jitter,
            "distribution": params.distribution,
        }
        return Impairment("delay", duration_s, **asked, **params.scope())

    async def measure(self, target: LinkTarget, params: DelayParams, before: Before) -> Verdict:
        answer = await ask(await target.address(), timeout_s=PATIENCE_S)
        # Still waiting when the verification must end: the wait so far is a lower bound of the round trip. Beyond a
        # uniform jitter there is a tail: a single answer may then come at any time.
        surely = params.delay - params.jitter * (1 if params.distribution == "uniform" else 3)
        least = min(max(0.0, surely), PATIENCE_S - before.answer.took_s)
        waited = answer.ok or answer.failure in ("timeout", "connect_timeout")
        bit = waited and answer.took_s - before.answer.took_s >= MEASURED_SHARE * least
        return Verdict(bit, f"direct probe before: {before.answer}; now: {answer}")
