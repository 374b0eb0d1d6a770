"""Base class of the actions on the balancer: it is stopped, and started again after the duration."""

from __future__ import annotations

import asyncio

from ..errors import EnvironmentProblemError
from ..identity import Identity, in_use
from .base import UP_WITHIN_S, BaseAction, Call, Needs, OperatedLab, wait_for

BALANCER = "lb"
"""Name of the balancer as a target."""


class BalancerStop(BaseAction):
    """Stops the balancer for some time."""

    needs = Needs.RUNTIME
    disrupts = True
    kill: bool
    mechanism: str

    async def perform(self, lab: OperatedLab, call: Call) -> None:
        record = lab.disruption(BALANCER, Identity(BALANCER, ()), self.mechanism)
        try:
            await lab.stop_balancer(kill=self.kill)
            gone = not await lab.balancer_answers()
            record |= {"bit": gone, "evidence": "its admin port does not answer" if gone else "it answers"}
            await asyncio.sleep(call.duration_s)
        finally:
            record["heal_started_mono"] = lab.now()
            await lab.start_balancer()

        async def missing() -> str:
            try:
                rows = await lab.backends()
            except EnvironmentProblemError:
                rows = []
            up = any(map(in_use, rows))
            return "" if up else f"the balancer did not return within {UP_WITHIN_S:g} s"

        await wait_for(missing)
        record["healed_mono"] = lab.now()
