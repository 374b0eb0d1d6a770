"""Once down, a backend stays down, whatever its probes say."""

from __future__ import annotations

from typing import Any

from lb.core.backend import State
from lb.core.health import Cause
from lb.core.standing import Standing
from tests.mutants.planting import wrap

SCENARIO = "kill"
CAUGHT_BY = ("readmit_within_bound",)


def plant() -> None:
    def unforgiving(move: Any) -> Any:
        def moved(self: Standing, cause: Cause, *rest: Any) -> Any:
            if cause is Cause.PROBES_PASS and self.backend.state is State.DOWN:
                return False
            return move(self, cause, *rest)

        return moved

    wrap(Standing, "move", unforgiving)
