"""Two finished runs of one plan beside each other: what clients experienced, and what was configured differently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..errors import BadArgumentsError
from ..evidence.record import RunRecord, load_run
from .measures import Measures, measure


@dataclass(frozen=True, slots=True)
class RunDifference:
    """The comparison of one run, `before`, with another one, `after`."""

    before: str
    """Name of the first run's folder."""
    after: str
    measures: tuple[Measures, Measures]
    configuration: tuple[tuple[str, Any, Any], ...]
    """Keys of the balancer's published configuration whose values differ, such as `health.interval`, with both values.
    Empty too if a balancer publishes no configuration."""

    def rows(self) -> list[tuple[str, float | None, float | None, float | None]]:
        """Return (measure, before, after, difference) of every measure that one of the runs has; None: no value."""
        one, other = self.measures
        pairs = ((each.name, getattr(one, each.name), getattr(other, each.name)) for each in fields(Measures))
        known = [(name, a, b) for name, a, b in pairs if a is not None or b is not None]
        return [(name, a, b, None if a is None or b is None else round(b - a, 6)) for name, a, b in known]

    def as_document(self) -> dict[str, Any]:
        """Return the JSON document of `lab diff --json`."""
        return {
            "before": self.before,
            "after": self.after,
            "measures": [dict(zip(("name", "before", "after", "difference"), row, strict=True)) for row in self.rows()],
            "configuration": [
                {"key": key, "before": before, "after": after} for key, before, after in self.configuration
            ],
        }


def compare_runs(before: Path, after: Path) -> RunDifference:
    """Return how two runs differ. Raise `BadArgumentsError` if they are not runs of the same plan."""
    one, other = load_run(before), load_run(after)
    for folder, run in ((before, one), (after, other)):
        if not run.completed:
            raise BadArgumentsError(f"{folder.name} was not completed", "compare two runs that came to their end")
    different = [key for key, _, _ in differing(_plan(one), _plan(other))]
    if different:
        raise BadArgumentsError(
            f"{before.name} and {after.name} are runs of different plans: {', '.join(different[:5])} differ",
            "run both with the same scenario and --seed, or replay one's plan.json",
        )
    return RunDifference(
        before.name, after.name, (measure(one), measure(other)), tuple(differing(one.config, other.config))
    )


def differing(one: object, other: object, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield (key, value, other value) for each leaf of two nested documents that differs; None for a missing one."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in dict.fromkeys([*one, *other]):
            yield from differing(one.get(name), other.get(name), f"{key}.{name}" if key else str(name))
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from differing(a, b, f"{key}[{number}]")
    elif one != other:
        yield key, one, other


def _plan(run: RunRecord) -> dict[str, Any]:
    return asdict(run.plan)
