"""rolling_replace: each backend in turn is replaced by a new one with another address, as in a deployment."""

from __future__ import annotations

import asyncio

from .base import BaseAction, Call, Needs, OperatedLab
from .rolling_restart import ASSUMED, EACH_S


class RollingReplace(BaseAction):
    """Start the new backend, tell the balancer, and stop the old one after the duration."""

    name = "rolling_replace"
    summary = "each backend in turn is replaced by a new one with another address"
    needs = Needs.OPERATIONS

    def takes_s(self, duration_s: float) -> float:
        return ASSUMED * (duration_s + EACH_S)

    async def perform(self, lab: OperatedLab, call: Call) -> None:
        for old in lab.targets:
            new = await lab.start_backend()
            await lab.replace(old, new)
            await asyncio.sleep(call.duration_s)
            await lab.stop_backend(old)


ACTION = RollingReplace()
