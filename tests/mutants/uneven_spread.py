"""Round robin gives every third turn that is not its own to the first backend."""

from __future__ import annotations

from itertools import count
from typing import Any

from lb.core.policies.round_robin import RoundRobin
from tests.mutants.planting import wrap

SCENARIO = "spread"
CAUGHT_BY = ("distribution",)


def plant() -> None:
    turns = count()

    def partial(pick: Any) -> Any:
        def picked(self: Any, candidates: Any, *rest: Any) -> Any:
            first = candidates[0] if candidates and next(turns) % 3 == 0 else None
            return first or pick(self, candidates, *rest)

        return picked

    wrap(RoundRobin, "pick", partial)
