"""error: a share of all requests, including health checks, is answered with an error."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ..drivers.targets import Target
from ..inputs.units import Share
from .base import Before, Params, Verdict
from .bound import OTHERS_WORK, Bound, Family, Look
from .misbehaviour import Misbehaviour, probe

ENOUGH = 20
"""Probes without an error after which the fault counts as absent. A rate of 5 % shows no error in a third of such runs;
for rates that low the verdict is None."""
CERTAIN = f"rate 1; {OTHERS_WORK}"


class ErrorParams(Params):
    """Which answers are errors."""

    rate: Share = Field(default=1.0, gt=0, validate_default=False)
    """Share of the answers that are errors."""
    status: int = Field(default=500, ge=500, le=599)
    """Status of these answers."""


class Error(Misbehaviour):
    """Answer with errors."""

    kind = "error"
    summary = "a share of all responses fails, health checks included"
    past = "answered with errors"
    bound = Bound(Look(Family.FAILING, CERTAIN), tcp=Look(Family.LYING, CERTAIN), tls=Look(Family.LYING, CERTAIN))
    params = ErrorParams

    def wish(self, params: ErrorParams) -> dict[str, Any]:
        return {"rate": params.rate, "status": params.status}

    async def verify(self, target: Target, params: ErrorParams, before: Before) -> Verdict:
        for asked in range(1, ENOUGH + 1):
            answer = await probe(target)
            if answer.status == params.status:
                return Verdict(True, f"answer {asked}: {answer}")
        unlikely = (1 - params.rate) ** ENOUGH < 0.05
        return Verdict(False if unlikely else None, f"no error in {ENOUGH} answers")


FAULT = Error()
