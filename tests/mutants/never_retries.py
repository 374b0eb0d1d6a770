"""What fails on one backend is never tried on another."""

from __future__ import annotations

from lb.core.retry import Retries, Verdict
from tests.mutants.planting import wrap

SCENARIO = "busy_kill"
CAUGHT_BY = ("idempotent_ok",)


def plant() -> None:
    wrap(Retries, "judge", lambda judge: lambda self, *facts, **more: Verdict(False, "never"))
    wrap(Retries, "may_hedge", lambda may_hedge: lambda self, *facts: False)
