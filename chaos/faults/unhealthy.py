"""unhealthy: health checks fail, but all other requests succeed."""

from __future__ import annotations

from ..drivers.targets import Target
from .base import Before, NoParams, Verdict
from .bound import Bound, Family, Look
from .misbehaviour import Misbehaviour, health_and_work


class Unhealthy(Misbehaviour):
    """Fail the health check only."""

    kind = "unhealthy"
    summary = "health checks fail, all other requests succeed"
    past = "failed its health checks"
    bound = Bound(
        Look(Family.UNHEALTHY),
        tcp=Look(Family.HARMLESS, "a tcp check sends no request"),
        tls=Look(Family.HARMLESS, "a tls check sends no request"),
    )

    async def verify(self, target: Target, params: NoParams, before: Before) -> Verdict:
        health, work, evidence = await health_and_work(target)
        return Verdict(not health.ok and work.ok, evidence)


FAULT = Unhealthy()
