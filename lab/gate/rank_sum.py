"""The exact rank-sum test of two groups of values, the shift between them, and Holm's correction for several tests.

The runs of a baseline were made at another time than those of a gate, so they cannot be paired as in
`lab.compare.differences`. The Wilcoxon rank-sum test (Mann-Whitney) assumes only that all runs are exchangeable if
nothing has changed. Its distribution is computed here for the ranks as they are, ties included, because counts of
failed requests are often equal and there are too few runs for an approximation. The shift is the Hodges-Lehmann
estimate with the interval that inverts the test; with ties the interval is slightly too wide (Hollander, Wolfe,
Chicken: Nonparametric Statistical Methods, 3rd ed., 4.1 to 4.3).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache


@dataclass(frozen=True, slots=True)
class Shift:
    """How much larger the second group is than the first. Infinite if an event never happened in the second group."""

    median: float
    """Hodges-Lehmann estimate: the median of all differences between a value of each group."""
    low: float | None
    """End of the interval; None if the groups are too small for an interval of that level."""
    high: float | None


def p_larger(before: Sequence[float], after: Sequence[float]) -> float:
    """Return the probability of ranks of `after` at least as large as these, if both groups have one distribution.

    Infinity stands for what never happened. Both groups must have a value.
    """
    together = sorted((*before, *after))

    def rank(value: float) -> int:  # twice the average rank, which is a whole number even with ties
        return bisect_left(together, value) + bisect_right(together, value) + 1

    sums = _sums(tuple(rank(each) for each in together), len(after))
    observed = sum(rank(each) for each in after)
    return sum(sums[observed:]) / math.comb(len(together), len(after))


def smallest_p(before: int, after: int) -> float:
    """Return the smallest probability that `p_larger` can return for groups of these sizes."""
    return 1 / math.comb(before + after, after)


def shift(before: Sequence[float], after: Sequence[float], level: float) -> Shift:
    """Return how much larger `after` is, with an interval of at least this level, such as 0.95.

    Both groups must have a value.
    """
    pairs = ((one, other) for one in before for other in after)
    differences = sorted(0.0 if one == other else other - one for one, other in pairs)
    below, above = differences[(len(differences) - 1) // 2], differences[len(differences) // 2]
    median = 0.0 if below == -math.inf and above == math.inf else (below + above) / 2
    # `position` counts from each end of the sorted differences (1: at the end).
    position = _critical(len(before), len(after), (1 - level) / 2)
    if not position:
        return Shift(median, None, None)
    return Shift(median, differences[position - 1], differences[-position])


def holm(probabilities: Sequence[float], tests: int) -> list[float]:
    """Return the probabilities corrected for `tests` tests, in the same order (Holm 1979).

    If all below a limit count as found, the probability of any false one is at most that limit. `tests` is at least the
    number of probabilities; tests that could not be made count too.
    """
    adjusted = [1.0] * len(probabilities)
    largest = 0.0
    for place, index in enumerate(sorted(range(len(probabilities)), key=probabilities.__getitem__)):
        largest = max(largest, min(1.0, (tests - place) * probabilities[index]))
        adjusted[index] = largest
    return adjusted


@cache
def _critical(before: int, after: int, tail: float) -> int:
    """Return the largest c for which P(U < c) ≤ `tail`, where U is the Mann-Whitney statistic without ties."""
    ways = _sums(tuple(range(1, before + after + 1)), after)[after * (after + 1) // 2 :]  # ways[u]
    below, c = 0, 0
    while below + ways[c] <= tail * math.comb(before + after, after):
        below += ways[c]
        c += 1
    return c


@lru_cache(64)
def _sums(ranks: tuple[int, ...], size: int) -> list[int]:
    """Return for each sum how many choices of `size` of the ranks have it.

    ways[k] is a polynomial whose coefficient at x^s counts the choices of k ranks with the sum s. Its coefficients are
    fields of one large integer, so that a multiplication by x^rank is a shift: 100 values take 0.1 s instead of 10 s.
    """
    width = math.comb(len(ranks), size).bit_length() + 1
    ways = [1] + [0] * size
    for rank in ranks:
        for k in range(size, 0, -1):
            ways[k] += ways[k - 1] << (rank * width)
    field = (1 << width) - 1
    return [ways[size] >> (total * width) & field for total in range(sum(ranks) + 1)]
