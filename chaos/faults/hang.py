"""hang: every request, including health checks, is accepted but never answered."""

from __future__ import annotations

from ..drivers.targets import Target
from .base import Before, NoParams, Verdict
from .bound import KERNEL_ACCEPTS, STACK_ANSWERS, Bound, Family, Look
from .misbehaviour import Misbehaviour, probe


class Hang(Misbehaviour):
    """Accept requests and do not answer."""

    kind = "hang"
    summary = "requests are accepted and never get a response"
    past = "accepted requests without answering"
    bound = Bound(Look(Family.SILENT, "health checks hang too"), tcp=KERNEL_ACCEPTS, tls=STACK_ANSWERS)

    async def verify(self, target: Target, params: NoParams, before: Before) -> Verdict:
        answer = await probe(target)
        return Verdict(answer.failure == "timeout", f"direct probe: {answer}")


FAULT = Hang()
