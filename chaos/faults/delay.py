"""delay: answers leave later than they would, so that every round trip grows by the delay.

One way only, on the target's egress. On Docker the handshake's SYN-ACK is an answer too, so a request on a new
connection takes the delay twice, on an open one once; the local relay delays bytes, not the handshake.
"""

from __future__ import annotations

from pydantic import Field

from chaos.faults.base import VERIFY_DEADLINE_S, Before, Layer, Params, Verdict
from chaos.impairment import Impairment
from chaos.probe import ask
from chaos.targets import Injection, LinkTarget
from chaos.units import Seconds

MEASURED_SHARE = 0.8
"""The round trip must have grown by this share of what was asked: the rest is the noise of a busy host's baseline."""

PATIENCE_S = VERIFY_DEADLINE_S - 0.1


class DelayParams(Params):
    """`delay` and `jitter` with units; jitter is uniform, ± around the delay."""

    delay: Seconds = Field(gt=0, le=60)
    jitter: Seconds = Field(default=0.0, ge=0)


class Delay:
    """Hold answers back."""

    kind = "delay"
    layer = Layer.LINK
    needs = LinkTarget
    params = DelayParams
    mechanism = None

    async def inject(self, target: LinkTarget, params: DelayParams, duration_s: float) -> Injection:
        return await target.impair(Impairment("delay", duration_s, params.delay, params.jitter))

    async def verify(self, target: LinkTarget, params: DelayParams, before: Before) -> Verdict:
        answer = await ask(await target.address(), timeout_s=PATIENCE_S)
        # Still waiting when the verification must end: the wait so far is a lower bound of the round trip.
        least = min(params.delay - params.jitter, PATIENCE_S - before.answer.took_s)
        waited = answer.ok or answer.failure in ("timeout", "connect_timeout")
        bit = waited and answer.took_s - before.answer.took_s >= MEASURED_SHARE * least
        return Verdict(bit, f"direct probe before: {before.answer}; now: {answer}")

    async def heal(self, target: LinkTarget) -> None:
        await target.clear()
