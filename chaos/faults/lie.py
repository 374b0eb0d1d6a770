"""lie: the health check passes, the work fails."""

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
    """HTTP status of the responses to work, 500 to 599."""


class Lie(Misbehaviour):
    """Fail the work only."""

    kind = "lie"
    summary = "health checks pass, work fails"
    bound = Bound(Look(Family.LYING, OTHERS_WORK))
    params = LieParams

    def wish(self, params: LieParams) -> dict[str, Any]:
        return {"status": params.status}

    async def verify(self, target: Target, params: LieParams, before: Before) -> Verdict:
        health, work, evidence = await health_and_work(target)
        return Verdict(health.ok and work.status == params.status, evidence)


FAULT = Lie()
