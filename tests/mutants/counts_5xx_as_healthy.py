"""A health check that is answered 503 has been answered: it passes."""

from __future__ import annotations

from lb.probes.http_probe import HttpProbe
from tests.mutants.planting import wrap

SCENARIO = "unhealthy"
CAUGHT_BY = ("reroute_within_bound",)


def plant() -> None:
    wrap(HttpProbe, "_failure", lambda failure: lambda self, status, body: "")
