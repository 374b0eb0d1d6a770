"""Planted bugs: each is caught by its scenario, with the right checks; the same scenarios pass without a bug.

Every push runs a sample that needs each check of the others, too; `--soak` runs all. Two labs run at a time: each is
a handful of processes that take a third of a core, and a run that a busy host spoils is repeated. Runs start when the
first test asks, so that a selection of tests runs nothing else.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lab.scenario.library import find
from tests.e2e.conftest import Cli, Outcome, spare_ports
from tests.mutants.planting import FOLDER, Mutant, mutants
from tests.support.lab_library import LATE, failure

ROOT = Path(__file__).parents[3]
MUTANTS = {mutant.name: mutant for mutant in mutants()}
SAMPLE = {
    "breaks_stickiness",
    "drops_on_drain",
    "exceeds_the_retry_budget",
    "flaps",
    "forgets_to_give_up",
    "keeps_a_stale_address",
    "retries_post",
    "truncates_silently",
    "uneven_spread",
    "uses_backends_that_are_down",
}
OWN_SCENARIOS = sorted(path.stem for path in (FOLDER / "scenarios").glob("*.yaml"))
PATIENCE = ("at_most: 15s", "at_most: 4s")
"""A backend that does not come back is waited for in the library for 15 s; twice its bound is enough to tell."""
LABS_AT_ONCE = 2
TRIES = 3

pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]

Ask = Callable[[str], tuple[Outcome, dict[str, Any]]]


def run_of(folder: Path, mutant: Mutant) -> tuple[Outcome, dict[str, Any]]:
    """A judged run of the bug's scenario against the balancer with that bug.

    The lab repeats a run that is unknown, not one that fails by another check: where a busy host excuses what this
    bug is to be caught by, it is run again here.
    """
    for _ in range(TRIES):
        outcome, run = judged(folder, mutant)
        verdicts = {check["name"]: check["verdict"] for check in run.get("checks", ())}
        if all(verdicts.get(name) != "unknown" for name in mutant.caught_by):
            break
    return outcome, run


def run_without_bugs(folder: Path, names: list[str]) -> dict[str, dict[str, Any]]:
    """The judged runs of the planted bugs' own scenarios against the balancer as it is, in one lab."""
    cli = Cli(folder, spare_ports())
    files = [str(FOLDER / "scenarios" / f"{name}.yaml") for name in names]
    outcome = cli.run("run", *files, "--runtime", "local", "--seed", "7", "--repeats", "3", "--json", within_s=200)
    cli.expect_nothing_left()
    assert "runs" in outcome.document, outcome
    return {run["scenario"]: run for run in outcome.document["runs"]}


def judged(folder: Path, mutant: Mutant) -> tuple[Outcome, dict[str, Any]]:
    """What the lab says of it."""
    settings = {"PYTHONPATH": str(ROOT), **mutant.settings}
    cli = Cli(folder, {**spare_ports(), **settings, "LAB_PASS_ENV": ",".join(settings)})
    own = FOLDER / "scenarios" / f"{mutant.scenario}.yaml"
    file = folder / f"{mutant.scenario}.yaml"
    file.write_text((own if own.exists() else find(mutant.scenario)).read_text().replace(*PATIENCE))
    command = f"{sys.executable} -m tests.mutants {mutant.name} --"
    outcome = cli.run(
        "run",
        str(file),
        "--runtime",
        "local",
        "--seed",
        "7",
        "--repeats",
        "3",
        "--balancer-cmd",
        command,
        "--json",
        within_s=200,
    )
    cli.expect_nothing_left()
    return outcome, outcome.document["runs"][0] if "runs" in outcome.document else {}


@pytest.fixture(scope="module")
def ask(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """The run of a case by its name. All cases that were selected are under way, a few at a time, from the first on;
    where a test is repeated, only the case that it asks for is."""
    pool = ThreadPoolExecutor(LABS_AT_ONCE)
    runs: dict[str, Future[tuple[Outcome, dict[str, Any]]]] = {}

    def start(case: str) -> None:
        runs[case] = pool.submit(run_of, tmp_path_factory.mktemp(case), MUTANTS[case])

    def result(case: str) -> tuple[Outcome, dict[str, Any]]:
        if case not in runs:
            start(case)
        return runs[case].result()

    if not getattr(request.module, "started", False):
        request.module.started = True
        for item in request.session.items:
            case = getattr(item, "callspec", None) and item.callspec.params.get("case")
            if case and item.path == request.path:
                start(case)
    yield result
    pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def runs_without_bugs(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> dict[str, dict[str, Any]]:
    names = OWN_SCENARIOS if request.config.getoption("--soak") else [name for name in OWN_SCENARIOS if sampled(name)]
    return run_without_bugs(tmp_path_factory.mktemp("without"), names)


def sampled(scenario: str) -> bool:
    return any(MUTANTS[name].scenario == scenario for name in SAMPLE)


def long_unless(sample: bool, name: str) -> Any:
    return pytest.param(name, marks=() if sample else pytest.mark.long)


def failed(run: dict[str, Any]) -> dict[str, str]:
    """Check → its detail, of those that failed."""
    return {check["name"]: check["detail"] for check in run["checks"] if check["verdict"] == "fail"}


@pytest.mark.parametrize("case", [long_unless(name in SAMPLE, name) for name in sorted(MUTANTS)])
def test_a_planted_bug_is_caught(ask: Ask, case: str) -> None:
    mutant = MUTANTS[case]
    outcome, run = ask(case)
    assert run, outcome
    assert run["verdict"] == "fail", json.dumps(run["checks"], indent=2)
    assert set(mutant.caught_by) <= failed(run).keys(), json.dumps(run["checks"], indent=2)
    assert outcome.code == 1, outcome
    if mutant.phases:
        phases = {each["phase"] for each in run["attributions"]}
        assert phases & {*mutant.phases}, f"{phases}; {failed(run)}"


@pytest.mark.parametrize("scenario", [long_unless(sampled(name), name) for name in OWN_SCENARIOS])
def test_without_a_bug_the_same_scenario_passes(runs_without_bugs: dict[str, dict[str, Any]], scenario: str) -> None:
    run = runs_without_bugs[scenario]
    open_checks = {check["name"]: check["detail"] for check in run["checks"] if check["verdict"] != "pass"}
    if not open_checks.keys() <= LATE:
        raise failure(run, str(open_checks))


def test_there_are_enough_of_them() -> None:
    assert len(MUTANTS) >= 15
    assert {check for mutant in MUTANTS.values() for check in mutant.caught_by} == {
        check for name in SAMPLE for check in MUTANTS[name].caught_by
    }
    assert len({mutant.story for mutant in MUTANTS.values()}) == len(MUTANTS)
