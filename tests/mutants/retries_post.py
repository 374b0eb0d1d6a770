"""Takes every request for idempotent: a POST that was sent is tried again elsewhere, and then done twice."""

from __future__ import annotations

from typing import Any

from lb.core.balancer import Balancer
from tests.mutants.planting import wrap

SCENARIO = "short_pause"
CAUGHT_BY = ("work",)


def plant() -> None:
    def careless(admit: Any) -> Any:
        return lambda self, method, now, **rest: admit(self, method, now, **{**rest, "idempotency_key": True})

    wrap(Balancer, "admit", careless)
