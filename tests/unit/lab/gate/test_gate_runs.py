"""Runs that do not count are made again, and what cannot start ends the gate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.balancers.selection import Choice
from lab.compare.document import OWN, Comparison, Result
from lab.compare.environment import LocalEnvironment
from lab.compare.measures import Measures
from lab.compare.runner import Entry, ScheduledRun
from lab.errors import BadArgumentsError, EnvironmentProblemError, LabError
from lab.gate import runs
from lab.gate.runs import counted, expect_programs, results_of, run_enough
from tests.support.lab_plans import plan

ENTRIES = [Entry(Choice(name, adapter="haproxy"), OWN) for name in ("a", "b")]
Outcome = Callable[[str, int], tuple[str, float]]


def after(outcome: Outcome, monkeypatch: pytest.MonkeyPatch, count_busy: bool = False) -> Comparison:
    """The results of a gate of three repeats. `outcome`: (entry, number of its run) → status, busy seconds."""
    comparison = Comparison(7, "mixed", "m", "t")

    def run_all(into: Comparison, schedule: Iterator[ScheduledRun], *_: Any) -> None:
        for each in schedule:
            name, scenario = each.entry.choice.name, each.plan.scenario
            status, busy_s = outcome(name, len(results_of(into, name, scenario)))
            measures = Measures(100, 0, 0, 0) if status in {"ok", "spoiled"} else None
            folder = "" if status in {"rejected", "missing"} else "f"
            into.results.append(
                Result(
                    name, OWN, scenario, each.repeat, status, status, "mend it", ("line 3",), folder, measures, busy_s
                )
            )

    monkeypatch.setattr(runs, "run_all", run_all)
    environment = LocalEnvironment(Path("unused"))
    run_enough(comparison, ENTRIES, [plan()], 3, count_busy, Path("unused"), environment, lambda _: None)
    return comparison


def made(comparison: Comparison) -> list[int]:
    return [len([each for each in comparison.results if each.balancer == name]) for name in ("a", "b")]


def test_no_run_is_made_twice_on_a_quiet_host(monkeypatch: pytest.MonkeyPatch) -> None:
    assert made(after(lambda *_: ("ok", 0.0), monkeypatch)) == [3, 3]


def test_runs_on_a_busy_host_and_spoiled_ones_are_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def outcome(name: str, number: int) -> tuple[str, float]:
        return ("spoiled" if number == 1 else "ok", 9.0 if number == 0 else 0.0) if name == "b" else ("ok", 0.0)

    found = after(outcome, monkeypatch)
    assert made(found) == [3, 5]
    assert len(counted(found, "b", plan().scenario, False)) == 3
    assert made(after(outcome, monkeypatch, count_busy=True)) == [3, 4]


def test_a_host_that_stays_busy_ends_the_gate_after_twice_as_many_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    found = after(lambda *_: ("ok", 9.0), monkeypatch)
    assert made(found) == [6, 6]
    assert counted(found, "a", plan().scenario, False) == []


@pytest.mark.parametrize(("status", "error"), [("rejected", BadArgumentsError), ("missing", EnvironmentProblemError)])
def test_what_cannot_start_is_an_error(status: str, error: type[LabError], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(error, match=f"b: {status}") as told:
        after(lambda name, _: (status if name == "b" else "ok", 0.0), monkeypatch)
    assert (told.value.next_step, told.value.details) == ("mend it", ("line 3",))


def test_a_missing_program_is_an_error_before_anything_runs() -> None:
    problem = Result("haproxy", "", "", 0, "missing", "haproxy is not installed", "apt-get install haproxy")
    with pytest.raises(EnvironmentProblemError, match="not installed"):
        expect_programs([Entry(Choice("a"), OWN, problem=problem)])
    expect_programs(ENTRIES)
