"""slow: every answer, including those to health checks, is delayed."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ..drivers.targets import Target
from ..inputs.units import Seconds
from .base import VERIFY_DEADLINE_S, Before, Params, Verdict
from .bound import ANSWERS_LATER, KERNEL_ACCEPTS, STACK_ANSWERS, Bound
from .misbehaviour import Misbehaviour, probe

PATIENCE_S = VERIFY_DEADLINE_S - 0.1
MEASURED_SHARE = 0.8


class SlowParams(Params):
    """How long answers are delayed."""

    delay: Seconds = Field(gt=0, le=60, examples=["500ms"])
    """Wait before each answer."""


class Slow(Misbehaviour):
    """Answer late."""

    kind = "slow"
    summary = "every response is late, health checks included"
    past = "answered slowly"
    bound = Bound(ANSWERS_LATER, tcp=KERNEL_ACCEPTS, tls=STACK_ANSWERS)
    params = SlowParams

    def wish(self, params: SlowParams) -> dict[str, Any]:
        return {"delay_ms": params.delay * 1000}

    async def verify(self, target: Target, params: SlowParams, before: Before) -> Verdict:
        answer = await probe(target, timeout_s=PATIENCE_S)
        late = answer.took_s >= MEASURED_SHARE * min(params.delay, PATIENCE_S)
        bit = late and (answer.ok or answer.failure == "timeout")
        return Verdict(bit, f"direct probe before: {before.answer}; now: {answer}")


FAULT = Slow()
