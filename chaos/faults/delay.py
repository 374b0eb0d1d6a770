"""delay: packets leave the target later, so that every round trip grows by the delay.

On Docker the handshake's SYN-ACK is also delayed, so a request on a new connection is delayed twice, one on an open
connection once. The local relay delays bytes, not the handshake.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ..drivers.probe import ask
from ..drivers.targets import LinkTarget
from ..inputs.units import Seconds
from ..links.impairment import Distribution
from .base import VERIFY_DEADLINE_S, Before, Layer, Verdict
from .bound import LATE_LINK
from .link_fault import CorrelatedParams, LinkFault

MEASURED_SHARE = 0.8
"""Share of the delay by which the round trip must have grown. The rest allows for the noise of a busy host."""

PATIENCE_S = VERIFY_DEADLINE_S - 0.1


class DelayParams(CorrelatedParams):
    """How long packets are delayed."""

    delay: Seconds = Field(gt=0, le=60, examples=["50ms"])
    """Added to the travel time of every packet."""
    jitter: Seconds = Field(default=0.0, ge=0)
    """Greatest deviation from the delay (`uniform`), or scale of another distribution."""
    distribution: Distribution = "uniform"
    """Distribution of the jitter, as in tc-netem(8)."""


class Delay(LinkFault):
    """Delay packets."""

    kind = effect = "delay"
    summary = "late responses"
    past = "had its traffic delayed"
    layer = Layer.SHAPE
    bound = LATE_LINK
    params = DelayParams

    def effects(self, params: DelayParams) -> dict[str, Any]:
        return {"delay_s": params.delay, "jitter_s": params.jitter, "distribution": params.distribution}

    async def measure(self, target: LinkTarget, params: DelayParams, before: Before) -> Verdict:
        answer = await ask(await target.address(), timeout_s=PATIENCE_S)
        # If no answer has come when the verification must end, the time so far is a lower bound of the round trip. All
        # distributions but `uniform` have tails, so a single answer may come well before the mean delay.
        surely = params.delay - params.jitter * (1 if params.distribution == "uniform" else 3)
        least = min(max(0.0, surely), PATIENCE_S - before.answer.took_s)
        waited = answer.ok or answer.failure in ("timeout", "connect_timeout")
        bit = waited and answer.took_s - before.answer.took_s >= MEASURED_SHARE * least
        return Verdict(bit, f"direct probe before: {before.answer}; now: {answer}")


FAULT = Delay()
