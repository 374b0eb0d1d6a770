"""Once it has been up and gone down, a backend stays down, whatever its probes say."""

from __future__ import annotations

from typing import Any

from lb.core.backend import State
from lb.core.health import Cause
from lb.core.health_record import HealthRecord
from tests.mutants.planting import wrap

SCENARIO = "kill"
CAUGHT_BY = ("readmit_within_bound",)


def plant() -> None:
    served = set()  # before that, a backend that is still starting would end the run before it begins

    def unforgiving(move: Any) -> Any:
        def moved(self: HealthRecord, cause: Cause, *rest: Any) -> Any:
            backend = self.backend
            if cause is Cause.PROBES_PASS and backend.state is State.DOWN and backend.id in served:
                return False
            done = move(self, cause, *rest)
            if backend.state is State.UP:
                served.add(backend.id)
            return done

        return moved

    wrap(HealthRecord, "move", unforgiving)
