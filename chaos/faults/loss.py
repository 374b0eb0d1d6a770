"""loss: a share of the packets disappears; TCP retransmits, so clients see stalls, and with much loss silence."""

from __future__ import annotations

import time

from pydantic import Field

from chaos.faults.base import VERIFY_DEADLINE_S, Before, Layer, Params, Verdict
from chaos.impairment import INITIAL_RTO_S, Impairment
from chaos.probe import Answer, ask
from chaos.targets import Injection, LinkTarget
from chaos.units import Share

STALL_S = 0.8 * INITIAL_RTO_S
"""A question that took this much longer than before had a packet lost: the shortest retransmission time-out."""
SILENT_S = 0.5
ENOUGH = 0.05
"""Without any stall seen, the fault did not bite if that would have had less than this probability."""


class LossParams(Params):
    """`loss` in percent."""

    loss: Share = Field(gt=0)


class Loss:
    """Drop packets at random."""

    kind = "loss"
    layer = Layer.LINK
    needs = LinkTarget
    params = LossParams
    mechanism = None

    async def inject(self, target: LinkTarget, params: LossParams, duration_s: float) -> Injection:
        return await target.impair(Impairment("loss", duration_s, loss=params.loss))

    async def verify(self, target: LinkTarget, params: LossParams, before: Before) -> Verdict:
        address = await target.address()
        deadline = time.monotonic() + VERIFY_DEADLINE_S - 0.5
        asked = 0
        while time.monotonic() < deadline:
            answer = await ask(address, timeout_s=SILENT_S)
            asked += 1
            if _stalled(answer, before.answer):
                return Verdict(True, f"question {asked} stalled: {answer}")
        by_chance = (1 - params.loss) ** asked
        evidence = f"none of {asked} questions stalled (probability {by_chance:.2g} under the asked loss)"
        return Verdict(False if by_chance < ENOUGH else None, evidence)

    async def heal(self, target: LinkTarget) -> None:
        await target.clear()


def _stalled(answer: Answer, before: Answer) -> bool:
    return answer.status is None or answer.took_s - before.took_s >= STALL_S
