"""What fails on one backend is never tried on another."""

from __future__ import annotations

from lb.core.retry import Retries, RetryDecision
from tests.mutants.planting import wrap

SCENARIO = "busy_kill"
CAUGHT_BY = ("idempotent_ok",)


def plant() -> None:
    wrap(Retries, "decide", lambda decide: lambda self, *facts, **more: RetryDecision(False, "never"))
    wrap(Retries, "may_hedge", lambda may_hedge: lambda self, *facts: False)
