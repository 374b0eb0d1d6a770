"""The first failed probe in a row is overlooked, so a backend goes out of use one later than configured."""

from __future__ import annotations

from typing import Any

from lb.core.registry import Registry
from tests.mutants.planting import wrap

SCENARIO = "unhealthy_twice"
SETTINGS = {"LB_HEALTH__INTERVAL": "1s", "LB_HEALTH__FAST_INTERVAL": "1s", "LB_HEALTH__JITTER": "0%"}
"""One probe is then as long as the room that the bound leaves for the phase of the fault between two probes."""
CAUGHT_BY = ("reroute_within_bound",)


def plant() -> None:
    overlooked: set[Any] = set()

    def late(probed: Any) -> Any:
        def judged(self: Registry, backend: Any, failure: str, *rest: Any) -> Any:
            if not failure:
                overlooked.discard(backend)
            elif backend not in overlooked:
                overlooked.add(backend)
                return self._settings.health.fast_interval
            return probed(self, backend, failure, *rest)

        return judged

    wrap(Registry, "probed", late)
