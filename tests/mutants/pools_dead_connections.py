"""Pools the connections of attempts that failed, never notices that one has ended, and writes requests to it later."""

from __future__ import annotations

from typing import Any

from lb.proxy.pool import Pool
from lb.proxy.upstream import UpstreamConnection
from tests.mutants.planting import wrap

SCENARIO = "busy_kill"
CAUGHT_BY = ("attribution",)
PHASES = ("unexplained",)


def plant() -> None:
    def pooled(drop: Any) -> Any:
        def kept(self: Any) -> None:
            self.receiver = self.attempt = None
            self._plane.pool.release(self, self._plane.clock())

        return kept

    wrap(UpstreamConnection, "drop", pooled)
    wrap(UpstreamConnection, "is_stale", lambda is_stale: lambda self: False)
    wrap(Pool, "remove_ended", lambda forget: lambda self, connection, now: False)
    wrap(Pool, "purge", lambda purge: lambda self, backend_id: None)
