"""Every ninth probe of a backend counts as two failed ones: out it goes, and comes back, and goes."""

from __future__ import annotations

from collections import Counter
from typing import Any

from lb.core.registry import Registry
from tests.mutants.planting import wrap

SCENARIO = "kill"
CAUGHT_BY = ("ejections",)
_EVERY = 9


def plant() -> None:
    seen: Counter[Any] = Counter()

    def nervous(probed: Any) -> Any:
        def judged(self: Registry, backend: Any, failure: str, took: float, *rest: Any) -> Any:
            seen[backend] += 1
            if seen[backend] % _EVERY == 0:
                probed(self, backend, "bad mood", took, *rest)
                failure = "bad mood"
            return probed(self, backend, failure, took, *rest)

        return judged

    wrap(Registry, "probed", nervous)
