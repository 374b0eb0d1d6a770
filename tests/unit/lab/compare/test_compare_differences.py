"""Differences between entries: the exact interval, the words, and what a comparison of a file with itself shows."""

from __future__ import annotations

import itertools
import json
import math
import random
from dataclasses import replace
from pathlib import Path

import pytest

from lab.compare.differences import FEWEST, LEVEL, cells, contrasts, critical, difference
from lab.compare.document import OWN, Comparison, Result
from lab.compare.measures import Measures

RECORDED = json.loads(Path(__file__).with_name("recorded_measures.json").read_text())
"""Measures of runs of the same HAProxy configuration, made by `lab compare --entry a=… --entry b=…` (kill, pause)."""
TRIES = 400
CHECK_INTERVAL_S = 2.0
"""`inter` of the recorded configuration."""


@pytest.mark.parametrize("pairs", [6, 7, 8, 9, 10, 12])
def test_the_interval_is_the_narrowest_of_its_level(pairs: int) -> None:
    """By counting all signs of the differences 1 … n, of which no two sums of ranks are weighted differently."""
    sums = [
        sum(rank for rank, sign in enumerate(signs, 1) if sign) for signs in itertools.product((0, 1), repeat=pairs)
    ]

    def outside(w: int) -> float:
        return 2 * sum(total < w for total in sums) / len(sums)

    assert outside(critical(pairs)) <= 1 - LEVEL < outside(critical(pairs) + 1)


def test_a_known_example() -> None:
    """Hamilton's depression scale before and after, of Hollander, Wolfe, Chicken, example 3.1: estimate -0.46,
    interval of 96.1 % from -0.786 to -0.010 for nine patients."""
    before = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
    after = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
    found = difference("failed", before, after)
    assert found.median == pytest.approx(-0.46)
    assert (found.low, found.high) == (pytest.approx(-0.786), pytest.approx(-0.010))
    assert found.significant


def test_too_few_pairs_have_an_estimate_and_no_interval() -> None:
    found = difference("failed", [1.0] * (FEWEST - 1), [3.0] * (FEWEST - 1))
    assert (found.median, found.low, found.significant) == (2.0, None, False)
    assert difference("failed", [], []).median is None


def test_what_never_happens_is_longer_than_anything() -> None:
    found = difference("readmit_s", [0.5] * 6, [math.inf] * 6)
    assert found.significant
    assert found.low == math.inf
    assert difference("readmit_s", [math.inf] * 6, [math.inf] * 6).median == 0.0


def resampled(generator: random.Random, scenario: str) -> tuple[list[Measures], list[Measures]]:
    """Ten repeats of the same file under two names."""
    runs = [Measures(**each) for each in RECORDED[scenario]]
    return generator.choices(runs, k=10), generator.choices(runs, k=10)


@pytest.mark.parametrize("scenario", sorted(RECORDED))
@pytest.mark.parametrize("measure", ["failed", "slow", "reroute_s", "readmit_s", "p99_fault_s"])
def test_a_file_beside_itself_does_not_differ(scenario: str, measure: str) -> None:
    generator = random.Random(7)
    contains = 0
    for _ in range(TRIES):
        old, new = ([float(getattr(run, measure)) for run in runs] for runs in resampled(generator, scenario))
        contains += not difference(measure, old, new).significant
    assert contains / TRIES >= 0.94  # 95 %, less two standard errors of 400 tries where it is exact


@pytest.mark.parametrize("scenario", sorted(RECORDED))
def test_one_check_interval_more_is_found(scenario: str) -> None:
    generator = random.Random(7)
    found = 0
    for _ in range(TRIES):
        old, new = resampled(generator, scenario)
        later = [float(run.readmit_s or 0) + CHECK_INTERVAL_S for run in new]
        result = difference("readmit_s", [float(run.readmit_s or 0) for run in old], later)
        found += result.significant and result.low is not None and result.low > 0
    assert found / TRIES >= 18 / 20


def comparison(old: list[int], new: list[int], baseline: str = "old") -> Comparison:
    run = Measures(**RECORDED["kill"][0])
    results = [
        Result(name, OWN, "kill", repeat, "ok", measures=replace(run, failed=failed))
        for name, counts in (("old", old), ("new", new))
        for repeat, failed in enumerate(counts)
    ]
    return Comparison(1, "mixed", "m", "t", baseline=baseline, results=results)


def test_the_sentence_names_what_changed_and_how_sure_that_is() -> None:
    [found] = contrasts(comparison([40, 41, 42, 43, 44, 45], [10, 10, 11, 11, 12, 12]))
    assert found.sentence() == "in kill, new loses 32 fewer requests (30 to 33) than old"
    assert cells(found)[0] == "-32 (-33 to -30)"


def test_no_change_and_too_few_repeats_are_said() -> None:
    [found] = contrasts(comparison([5, 6, 7, 5, 6, 7], [6, 5, 7, 7, 6, 5]))
    assert found.sentence() == "new and old do not differ in kill (6 repeats)"
    [found] = contrasts(comparison([5, 6], [0, 0]))
    assert "2 repeats are too few for an interval (--repeat 6)" in found.sentence()


def test_only_repeats_that_both_have_are_paired() -> None:
    [found] = contrasts(comparison([5] * 8, [5] * 6))
    assert found.pairs == 6
    assert contrasts(comparison([5], [5], baseline="")) == []
