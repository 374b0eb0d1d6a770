"""Neither probes nor traffic ever take a backend out, and nothing is suspected."""

from __future__ import annotations

from typing import Any

from lb.core.health import Cause
from lb.core.health_record import HealthRecord
from tests.mutants.planting import wrap

SCENARIO = "pause"
CAUGHT_BY = ("reroute_within_bound",)
PHASES = ("after_bound",)


def plant() -> None:
    def deaf(move: Any) -> Any:
        return lambda self, cause, *rest: (
            False if cause in (Cause.PROBES_FAIL, Cause.TRAFFIC_FAILS) else move(self, cause, *rest)
        )

    wrap(HealthRecord, "move", deaf)
    wrap(HealthRecord, "suspect", lambda suspect: lambda self, *rest: None)
