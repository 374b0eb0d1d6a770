"""No attempt ever times out: a POST that was sent to a frozen backend waits until its client has had enough."""

from __future__ import annotations

from lb.core.timeouts import Timeouts
from tests.mutants.planting import wrap

SCENARIO = "pause_answered"
CAUGHT_BY = ("answered",)


def plant() -> None:
    wrap(Timeouts, "expired", lambda expired: lambda self, now: [])
