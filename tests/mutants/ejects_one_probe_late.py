"""One more failed probe than configured before a backend goes down."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lb.core import registry
from tests.mutants.planting import wrap

SCENARIO = "unhealthy_twice"
SETTINGS = {"LB_HEALTH__INTERVAL": "1s", "LB_HEALTH__FAST_INTERVAL": "1s", "LB_HEALTH__JITTER": "0%"}
"""One probe is then as long as the room that the bound leaves for the phase of the fault between two probes."""
CAUGHT_BY = ("reroute_within_bound",)


def plant() -> None:
    def late(verdict: Any) -> Any:
        return lambda state, streak, settings: verdict(state, streak, replace(settings, fall=settings.fall + 1))

    wrap(registry, "verdict", late)
