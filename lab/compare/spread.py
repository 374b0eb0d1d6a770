"""Statistics of a measure over the repeats of one row."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """Distribution of a measure over the repeats. All fields are None if no repeat has a value."""

    median: float | None
    low: float | None
    high: float | None


def spread(values: Sequence[float | None]) -> Spread:
    """Return the spread. `high` is None if the measured event never happened in some run, such as a readmission."""
    known = [value for value in values if value is not None]
    if not known:
        return Spread(None, None, None)
    # Missing values sort last, so the median may be None too.
    ordered = sorted(known) + [None] * (len(values) - len(known))
    middle = ordered[len(ordered) // 2] if len(ordered) % 2 else _between(ordered)
    return Spread(middle, min(known), max(known) if len(known) == len(values) else None)


def _between(ordered: list[float | None]) -> float | None:
    low, high = ordered[len(ordered) // 2 - 1], ordered[len(ordered) // 2]
    return None if low is None or high is None else statistics.mean((low, high))
