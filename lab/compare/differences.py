"""Differences between two entries of a comparison, with an interval that says how sure they are.

Runs are paired by repeat: both entries met the same plan and the same arrivals, one after the other, so what the host
did to both cancels out. The estimate is the Hodges–Lehmann median of the paired differences. Its interval inverts the
exact Wilcoxon signed-rank test (Hollander, Wolfe, Chicken: Nonparametric Statistical Methods, 3rd ed., 3.2 and 3.3),
which assumes only that the differences are symmetric: counts of failed requests are far from normal, so a t interval
would be wrong, and a bootstrap interval is too narrow for ten pairs. Fewer than `FEWEST` pairs give no interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from .document import Comparison, Result, label

LEVEL: Final = 0.95
FEWEST: Final = 6
"""Pairs from which on an interval of that level exists: with n pairs the widest one has the level 1 - 2/2^n."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure whose differences are reported, and the words for them."""

    name: str
    """Field of `Measures`."""
    heading: str
    less: str
    """Predicate of a sentence about the entry with the smaller value: `reroutes {} sooner`. `{}` is the difference."""
    more: str
    unit: str = ""
    """`s`, or empty for a count."""
    never: str = ""
    """Predicate of a sentence about an entry with which the measured event never happened."""


MEASURES: Final = (
    Measure("failed", "Failed", "loses {} fewer requests", "loses {} more requests"),
    Measure("slow", "Slow", "answers {} fewer requests late", "answers {} more requests late"),
    Measure("reroute_s", "Reroute s", "reroutes {} sooner", "reroutes {} later", "s"),
    Measure(
        "readmit_s",
        "Back s",
        "takes a backend back {} sooner",
        "takes {} longer to take a backend back",
        "s",
        "does not take the backend back",
    ),
    Measure("p99_fault_s", "p99 in fault s", "has a 99th percentile {} lower", "has a 99th percentile {} higher", "s"),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """How much larger a measure of the entry is than that of the baseline, over the pairs of one scenario."""

    measure: str
    pairs: int
    median: float | None
    """Hodges–Lehmann estimate; None without a pair. Infinite if the event, such as a readmission, happened with the
    baseline but never with the entry."""
    low: float | None = None
    """End of the interval; None if there are fewer than `FEWEST` pairs."""
    high: float | None = None

    @property
    def significant(self) -> bool:
        """Whether the interval does not contain 0."""
        return self.low is not None and self.high is not None and not self.low <= 0.0 <= self.high


@dataclass(frozen=True, slots=True)
class Contrast:
    """The differences between one entry and the baseline in one scenario."""

    entry: str
    baseline: str
    scenario: str
    differences: tuple[Difference, ...]

    @property
    def pairs(self) -> int:
        """Return the number of repeats in which both have numbers."""
        return max((each.pairs for each in self.differences), default=0)

    def sentence(self) -> str:
        """Return what the numbers say, as one sentence."""
        if self.pairs == 0:
            return f"{self.entry} and {self.baseline} have no repeat in common in {self.scenario}"
        if self.pairs < FEWEST:
            count = "1 repeat is" if self.pairs == 1 else f"{self.pairs} repeats are"
            return (
                f"{self.entry} beside {self.baseline} in {self.scenario}: {count} too few for an interval "
                f"(--repeat {FEWEST})"
            )
        told = [_told(measure, each) for measure, each in zip(MEASURES, self.differences, strict=True)]
        if not (changes := [each for each in told if each]):
            return f"{self.entry} and {self.baseline} do not differ in {self.scenario} ({self.pairs} repeats)"
        return f"in {self.scenario}, {self.entry} {' and '.join(changes)} than {self.baseline}"


def contrasts(comparison: Comparison) -> list[Contrast]:
    """Return one contrast for each scenario and each entry but the baseline; none if there is no baseline."""
    base = comparison.baseline
    if not base:
        return []
    counted: dict[tuple[str, str], dict[int, Result]] = {}
    for result in comparison.results:
        if result.counts:
            name = label(result.balancer, result.settings)
            counted.setdefault((result.scenario, name), {})[result.repeat] = result
    names = list(dict.fromkeys(label(each.balancer, each.settings) for each in comparison.results))
    scenarios = dict.fromkeys(each.scenario for each in comparison.results)
    return [
        Contrast(
            name, base, scenario, _differences(counted.get((scenario, base), {}), counted.get((scenario, name), {}))
        )
        for scenario in scenarios
        for name in names
        if name != base
    ]


def _differences(before: dict[int, Result], after: dict[int, Result]) -> tuple[Difference, ...]:
    both = sorted(before.keys() & after.keys())
    return tuple(
        difference(measure.name, [_value(before[n], measure) for n in both], [_value(after[n], measure) for n in both])
        for measure in MEASURES
    )


def _value(result: Result, measure: Measure) -> float:
    value = getattr(result.measures, measure.name)
    return math.inf if value is None else float(value)


def difference(name: str, before: Sequence[float], after: Sequence[float]) -> Difference:
    """Return the difference `after` - `before` of paired values. Infinity stands for what never happened."""
    paired = [0.0 if one == other else other - one for one, other in zip(before, after, strict=True)]
    if not paired:
        return Difference(name, 0, None)
    averages = sorted(_mean(one, other) for number, one in enumerate(paired) for other in paired[number:])
    middle = _mean(averages[(len(averages) - 1) // 2], averages[len(averages) // 2])
    if len(paired) < FEWEST:
        return Difference(name, len(paired), middle)
    rank = critical(len(paired))
    return Difference(name, len(paired), middle, averages[rank - 1], averages[-rank])


def _mean(one: float, other: float) -> float:
    return 0.0 if math.isinf(one) and one == -other else (one + other) / 2


@cache
def critical(pairs: int) -> int:
    """Return at which position, counted from each end of the sorted pairwise averages, the interval ends (1: at the
    end).

    It is the largest w for which P(W < w) ≤ (1 - `LEVEL`) / 2, where W is the signed-rank statistic of differences that
    are symmetric around 0. At least 1 from `FEWEST` pairs on.
    """
    ways = [1]  # ways[w]: subsets of the ranks 1 … n whose sum is w
    for rank in range(1, pairs + 1):
        longer = [*ways, *[0] * rank]
        for total, count in enumerate(ways):
            longer[total + rank] += count
        ways = longer
    below, w = 0, 0
    while (below + ways[w]) / 2**pairs <= (1 - LEVEL) / 2:
        below += ways[w]
        w += 1
    return w


def _told(measure: Measure, found: Difference) -> str:
    if not found.significant or found.median is None or found.low is None or found.high is None:
        return ""
    amounts = sorted(abs(each) for each in (found.low, found.high))
    words = measure.less if found.median < 0 else measure.more
    span = " to ".join(amount(each, measure.unit) for each in amounts)
    return f"{words.format(amount(abs(found.median), measure.unit))} ({span})"


def amount(value: float, unit: str) -> str:
    """Return a difference as text, such as `0.20 s` or `31`; `unlimited` or `all` if it is infinite."""
    if math.isinf(value):
        return "unlimited" if unit else "all"
    return f"{value:.2f} {unit}" if unit else f"{value:.0f}"


def cells(contrast: Contrast) -> tuple[str, ...]:
    """Return a text for each measure, such as `-31 (-40 to -22)`; empty without a pair."""
    return tuple(_cell(found, measure) for measure, found in zip(MEASURES, contrast.differences, strict=True))


def _cell(found: Difference, measure: Measure) -> str:
    return "" if found.median is None else shown(found.median, found.low, found.high, measure.unit)


def shown(middle: float, low: float | None, high: float | None, unit: str) -> str:
    """Return a difference with its interval, such as `-31 (-40 to -22)`; without it if there is none."""
    digits = 2 if unit else 0
    if low is None or high is None:
        return _signed(middle, digits)
    return f"{_signed(middle, digits)} ({_signed(low, digits)} to {_signed(high, digits)})"


def _signed(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}" if math.isinf(value) or round(value, digits) else "0"
