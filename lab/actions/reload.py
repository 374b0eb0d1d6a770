"""reload: the balancer loads its configuration again, with one time-out changed."""

from __future__ import annotations

from .base import BaseAction, Call, Needs, OperatedLab


class Reload(BaseAction):
    """Reload the balancer's configuration."""

    name = "reload"
    summary = "the balancer loads its configuration again"
    needs = Needs.OPERATIONS
    timed = False

    async def perform(self, lab: OperatedLab, call: Call) -> None:
        await lab.reload()


ACTION = Reload()
