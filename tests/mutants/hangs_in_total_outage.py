"""With nobody left to answer, requests wait for ever instead of being told no."""

from __future__ import annotations

from typing import Any

from lb.core.actions import Queued
from lb.core.balancer import Balancer
from tests.mutants.planting import wrap

SCENARIO = "outage"
CAUGHT_BY = ("answered",)


def plant() -> None:
    def patient(following: Any) -> Any:
        def answered(self: Balancer, exchange: Any, now: float) -> Any:
            if self.panic:
                return Queued()
            return following(self, exchange, now)

        return answered

    wrap(Balancer, "next", patient)
