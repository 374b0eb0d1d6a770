"""lie: health checks pass, but all other requests fail."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ..drivers.targets import Target
from .base import Before, Params, Verdict
from .bound import OTHERS_WORK, Bound, Family, Look
from .misbehaviour import Misbehaviour, health_and_work


class LieParams(Params):
    """Parameters of the fault `lie`."""

    status: int = Field(default=500, ge=500, le=599)
    """HTTP status of the failed responses, 500 to 599."""


class Lie(Misbehaviour):
    """Fail all requests but health checks."""

    kind = "lie"
    summary = "health checks pass, all other requests fail"
    past = "passed health checks but failed requests"
    bound = Bound(Look(Family.LYING, OTHERS_WORK))
    params = LieParams

    def wish(self, params: LieParams) -> dict[str, Any]:
        return {"status": params.status}

    async def verify(self, target: Target, params: LieParams, before: Before) -> Verdict:
        health, work, evidence = await health_and_work(target)
        return Verdict(health.ok and work.status == params.status, evidence)


FAULT = Lie()
