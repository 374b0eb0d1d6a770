"""The sticky cookie is issued and never followed."""

from __future__ import annotations

from lb.core import balancer
from tests.mutants.planting import wrap

SCENARIO = "sticky-failover"
CAUGHT_BY = ("stickiness",)


def plant() -> None:
    wrap(balancer, "accepts_pinned", lambda accepts_pinned: lambda backend: False)
