"""What the runs say about a goal: every run must keep it, and a bound above the fault's duration proves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.advise.prediction import Fault
from lab.cli.tune_verification import Measured, VerifiedTuning
from lab.compare.document import OWN, Comparison, Result
from lab.compare.measures import Measures
from lab.tune.goal import parse_goal


def measured(goal: str, *values: float) -> Measured:
    return Measured(parse_goal(goal), Fault.PAUSE, values, 3.0)


@pytest.mark.parametrize(
    ("goal", "values", "met", "told"),
    [
        ("pause: reroute <= 1s", (0.5, 1.0), True, "measured at most 1 s in 2 runs: met"),
        ("pause: reroute <= 1s", (0.5, 1.01), False, "measured at most 1.01 s in 2 runs: not met"),
        ("pause: failed <= 0", (0.0,), True, "measured at most 0 in 1 run: met"),
        ("pause: slow <= 3", (4.0,), False, "measured at most 4 in 1 run: not met"),
        ("pause: reroute <= 5s", (3.0,), True, "the fault lasts only 3 s in the lab, so this proves nothing"),
    ],
)
def test_the_worst_run_decides(goal: str, values: tuple[float, ...], met: bool, told: str) -> None:
    found = measured(goal, *values)
    assert found.met is met
    assert told in found.sentence()


def test_one_goal_that_is_not_met_is_enough() -> None:
    comparison = Comparison(7, "mixed", "a machine", "today", baseline="original")
    comparison.results += [
        Result(name, OWN, "pause", 0, "ok", measures=Measures(100, 1, 0, 1, reroute))
        for name, reroute in (("original", 2.0), ("tuned", 0.4))
    ]
    good, bad = measured("pause: reroute <= 1s", 0.4), measured("pause: failed <= 0", 1.0)
    assert VerifiedTuning((good,), comparison, Path("results/x")).met
    found = VerifiedTuning((good, bad), comparison, Path("results/x"))
    assert not found.met
    document = found.document()
    assert [each["met"] for each in document["goals"]] == [True, False]
    assert document["seed"] == 7
    assert document["differences"][0].startswith("tuned beside original in pause: 1 repeat is too few")
