"""rolling_restart: one backend after the other is drained (unless `drain: false`), restarted, and used again."""

from __future__ import annotations

import contextlib
from typing import Literal

from ..errors import EnvironmentProblemError
from ..identity import Identity
from .base import BaseAction, Call, Needs, OperatedLab, wait_for

IDLE_WITHIN_S = 5.0
"""Seconds for a drained backend to complete its requests. Then it is restarted anyway, as in a deployment."""
EACH_S = 3.0
"""Seconds that the restart of one backend takes beyond its duration: drain, checks, readmission."""
ASSUMED = 3
"""Number of backends that a plan allows time for. A plan is made without a lab, so it does not know the real number."""


class RollingRestart(BaseAction):
    """Restart all backends one after the other, as a deployment does."""

    name = "rolling_restart"
    summary = "each backend in turn is drained, restarted and used again"
    needs = Needs.ADMIN
    disrupts = True
    value_field: Literal["drain"] = "drain"

    def takes_s(self, duration_s: float) -> float:
        return ASSUMED * (duration_s + EACH_S)

    async def perform(self, lab: OperatedLab, call: Call) -> None:
        for target in lab.targets:
            identity = (await lab.identities())[target]
            if call.value:
                await self._drain(lab, identity)
            await lab.restart(target, identity)
            if call.value:
                await self._use_again(lab, identity)
            await lab.all_up()

    async def _drain(self, lab: OperatedLab, identity: Identity) -> None:
        for backend_id in identity.backends:
            await lab.adjust(backend_id, {"state": "drain"})

        async def busy() -> str:
            rows = await lab.backends()
            return ", ".join(row["id"] for row in rows if row["id"] in identity.backends and row["in_flight"])

        with contextlib.suppress(EnvironmentProblemError):
            await wait_for(busy, IDLE_WITHIN_S)

    async def _use_again(self, lab: OperatedLab, identity: Identity) -> None:
        # A restarted container may have another address. It is then a new backend for the balancer, which is not
        # drained.
        known = {row["id"] for row in await lab.backends()}
        for backend_id in known & {*identity.backends}:
            await lab.adjust(backend_id, {"state": "up"})


ACTION = RollingRestart()
