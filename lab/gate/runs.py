"""Runs the scenarios of a gate, and again where a run did not count."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..compare.document import Comparison, Result
from ..compare.environment import Environment
from ..compare.runner import Entry, run_all, schedule
from ..errors import BadArgumentsError, EnvironmentProblemError
from ..runtime import Say
from ..scenario.plan import Plan
from .decision import counts


def run_enough(
    comparison: Comparison,
    entries: Sequence[Entry],
    plans: Sequence[Plan],
    repeat: int,
    count_busy: bool,
    folder: Path,
    environment: Environment,
    say: Say,
) -> None:
    """Run every plan with every entry until `repeat` runs of each count, but at most twice as often.

    Raise `BadArgumentsError` if a program rejects its configuration, and `EnvironmentProblemError` if an entry cannot
    be started.
    """
    for number in range(2 * repeat):
        due = [
            each
            for each in schedule(entries, plans, [number])
            if len(counted(comparison, each.entry.choice.name, each.plan.scenario, count_busy)) < repeat
        ]
        run_all(comparison, iter(due), folder, environment, say)
        for result in comparison.results[-len(due) :] if due else ():
            _expect_started(result)


def counted(comparison: Comparison, entry: str, scenario: str, count_busy: bool) -> list[Result]:
    """Return the results of an entry in a scenario that the gate uses."""
    return [each for each in results_of(comparison, entry, scenario) if counts(each, count_busy)]


def results_of(comparison: Comparison, entry: str, scenario: str) -> list[Result]:
    """Return all results of an entry in a scenario."""
    return [each for each in comparison.results if (each.balancer, each.scenario) == (entry, scenario)]


def expect_programs(entries: Sequence[Entry]) -> None:
    """Raise `EnvironmentProblemError` if the program of an entry is missing or does not say its version."""
    for problem in (each.problem for each in entries):
        if problem is not None:
            raise EnvironmentProblemError(problem.reason, problem.next_step, problem.details)


def _expect_started(result: Result) -> None:
    """Raise the error of a run that did not start: the next one would not start either."""
    told = f"{result.balancer}: {result.reason}"
    if result.status == "rejected":
        raise BadArgumentsError(told, result.next_step, result.details)
    if result.status in {"missing", "failed"} and not result.folder:
        raise EnvironmentProblemError(told, result.next_step, result.details)
