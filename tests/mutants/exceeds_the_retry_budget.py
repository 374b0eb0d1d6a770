"""The retry budget says yes to everything."""

from __future__ import annotations

from lb.core.budget import RetryBudget
from tests.mutants.planting import wrap

SCENARIO = "retry-storm"
CAUGHT_BY = ("retry_budget",)


def plant() -> None:
    wrap(RetryBudget, "withdraw", lambda withdraw: lambda self, now: True)
