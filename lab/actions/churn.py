"""churn: a backend is added, and removed after the duration, as when a group of backends scales up and down."""

from __future__ import annotations

import asyncio

from .base import BaseAction, Call, Needs, OperatedLab
from .rolling_restart import EACH_S


class Churn(BaseAction):
    """Start and add a backend; after the duration, remove it, and stop it after the duration again."""

    name = "churn"
    summary = "a backend is added, and removed after the duration"
    needs = Needs.OPERATIONS

    def takes_s(self, duration_s: float) -> float:
        return 2 * duration_s + EACH_S

    async def perform(self, lab: OperatedLab, call: Call) -> None:
        new = await lab.start_backend()
        await lab.add(new)
        await asyncio.sleep(call.duration_s)
        await lab.remove(new)
        await asyncio.sleep(call.duration_s)
        await lab.stop_backend(new)


ACTION = Churn()
