"""The whole library of scenarios on plain processes. What those cannot do is skipped, and says why."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from chaos.process_targets import IMPOSSIBLE
from lab.scenario.library import names
from tests.e2e.conftest import Cli, spare_ports
from tests.support.lab_library import LibraryPass, library_pass

LABS_AT_ONCE = 2
"""Each is a handful of processes at some per cent of a core; a run that a busy host spoils is repeated."""
WITHIN_S = 400.0
"""Some 17 scenarios of 6 s each, four times that."""

pytestmark = [pytest.mark.alone, pytest.mark.timeout(WITHIN_S + 30)]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> LibraryPass:
    """Every other scenario in one lab, the rest in another one beside it."""
    able = [name for name in names() if name not in IMPOSSIBLE]
    labs = [Cli(tmp_path_factory.mktemp("library"), spare_ports()) for _ in range(LABS_AT_ONCE)]

    def some(number: int) -> LibraryPass:
        chosen = able[number::LABS_AT_ONCE]
        return library_pass(labs[number], *chosen, "--runtime", "local", within_s=WITHIN_S)

    with ThreadPoolExecutor(LABS_AT_ONCE) as pool:
        passes = [*pool.map(some, range(LABS_AT_ONCE))]
    for lab in labs:
        lab.expect_nothing_left()
    return LibraryPass(passes[0].outcome, {name: run for each in passes for name, run in each.runs.items()}, {})


@pytest.mark.parametrize("scenario", [name for name in names() if name not in IMPOSSIBLE])
def test_the_library_passes_on_plain_processes(library: LibraryPass, scenario: str) -> None:
    library.expect_pass(scenario)


def test_what_plain_processes_cannot_do_is_said_before_any_traffic(cli: Cli) -> None:
    outcome = cli.run("run", "cpu", "--runtime", "local")
    assert outcome.code == 255, outcome
    assert IMPOSSIBLE["cpu"] in outcome.err
    assert not [*cli.folder.glob("results/*/history.jsonl")]
