"""A drained backend is left at once: what it was answering is cut."""

from __future__ import annotations

from typing import Any

from lb.core.backend import State
from lb.core.balancer import Balancer
from lb.proxy.upstream import UpstreamConnection
from tests.mutants.planting import wrap

SCENARIO = "drain_streams"
CAUGHT_BY = ("idempotent_ok", "attribution")
PHASES = ("unexplained",)


def plant() -> None:
    used: set[UpstreamConnection] = set()

    def noted(begin: Any) -> Any:
        def begun(self: UpstreamConnection, *facts: Any, **more: Any) -> Any:
            used.add(self)
            return begin(self, *facts, **more)

        return begun

    def abrupt(set_state: Any) -> Any:
        def moved(self: Balancer, backend_id: str, state: State, now: float) -> None:
            set_state(self, backend_id, state, now)
            for connection in list(used):
                if state is State.DRAIN and connection.backend.id == backend_id and connection.attempt is not None:
                    connection.abort()

        return moved

    wrap(UpstreamConnection, "begin", noted)
    wrap(Balancer, "set_state", abrupt)
