"""The whole library of scenarios on plain processes, in three labs at a time: what those cannot do is skipped, and says
why."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from chaos.process_targets import IMPOSSIBLE
from lab.scenario.library import names
from tests.e2e.conftest import Cli, spare_ports
from tests.support.lab_library import LibraryPass, library_pass

WITHIN_S = 540.0
"""Some 31 scenarios of 6 s each; what a busy host spoils is run again."""
LABS_AT_ONCE = 3
"""A lab mostly waits: it takes a third of a core."""

pytestmark = pytest.mark.timeout(WITHIN_S + 60)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> LibraryPass:
    def part(number: int) -> LibraryPass:
        cli = Cli(tmp_path_factory.mktemp("library"), spare_ports())
        found = library_pass(cli, *names()[number::LABS_AT_ONCE], "--runtime", "local", within_s=WITHIN_S)
        cli.expect_nothing_left()
        return found

    with ThreadPoolExecutor(LABS_AT_ONCE) as pool:
        parts = [*pool.map(part, range(LABS_AT_ONCE))]
    runs = {name: run for part in parts for name, run in part.runs.items()}
    skipped = {name: reason for part in parts for name, reason in part.skipped.items()}
    return LibraryPass("\n\n".join(str(part.outcome) for part in parts), runs, skipped)


@pytest.mark.parametrize("scenario", [name for name in names() if name not in IMPOSSIBLE])
def test_the_library_passes_on_plain_processes(library: LibraryPass, scenario: str) -> None:
    library.expect_pass(scenario)


def test_what_plain_processes_cannot_do_is_skipped_and_says_why(library: LibraryPass) -> None:
    assert library.skipped == {kind: f"{kind} is not possible here: {lack}" for kind, lack in IMPOSSIBLE.items()}


def test_asked_for_by_name_it_is_refused_before_any_traffic(cli: Cli) -> None:
    outcome = cli.run("run", "cpu", "--runtime", "local")
    assert outcome.code == 255, outcome
    assert IMPOSSIBLE["cpu"] in outcome.err
    assert not [*cli.folder.glob("results/*/history.jsonl")]
