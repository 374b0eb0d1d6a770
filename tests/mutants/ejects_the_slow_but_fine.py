"""A probe that takes longer than 100 ms has failed, whatever the time-out allows."""

from __future__ import annotations

from typing import Any

from lb.core.registry import Registry
from tests.mutants.planting import wrap

SCENARIO = "slow"
CAUGHT_BY = ("ejections",)


def plant() -> None:
    def impatient(probed: Any) -> Any:
        def judged(self: Registry, backend: Any, failure: str, took: float, *rest: Any) -> Any:
            return probed(self, backend, failure or ("too slow" if took > 0.1 else ""), took, *rest)

        return judged

    wrap(Registry, "probed", impatient)
