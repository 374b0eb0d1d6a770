"""The library of scenarios on plain processes, in two labs at a time; what those cannot do is refused, and says why.

Every push runs a sample: a scenario of every way to notice a fault, and those of the operator's actions. `--soak` runs
them all.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from chaos.faults import FAULTS
from lab.scenario.library import names
from tests.e2e.conftest import Cli, spare_ports
from tests.support.lab_library import LibraryPass, library_pass

WITHIN_S = 540.0
"""Some 31 scenarios of 6 s each; what a busy host spoils is run again."""
IMPOSSIBLE = {kind for kind, fault in FAULTS.items() if not fault.support.on("local")}
SAMPLE = {
    "balancer-kill",
    "delay",
    "drain",
    "error",
    "flapping",
    "kill",
    "lie",
    "loss",
    "outage",
    "pause",
    "refuse",
    "retry-storm",
    "rolling-restart",
    "scale",
    "sticky-failover",
}
POSSIBLE = [name for name in names() if name not in IMPOSSIBLE]
LABS_AT_ONCE = 2
"""Three keep two cores so busy that runs stall."""

pytestmark = [pytest.mark.alone, pytest.mark.timeout(WITHIN_S + 60)]


class Library:
    """The runs of all scenarios; a scenario that is asked for again, because its test is repeated, runs again."""

    def __init__(self) -> None:
        self._passes: dict[str, LibraryPass] = {}
        self._asked: set[str] = set()

    def run_of(self, scenario: str, wanted: list[str], tmp_path_factory: pytest.TempPathFactory) -> LibraryPass:
        """The pass that has the scenario's run."""

        def run(scenarios: list[str]) -> None:
            cli = Cli(tmp_path_factory.mktemp("library"), spare_ports())
            found = library_pass(cli, *scenarios, "--runtime", "local", within_s=WITHIN_S)
            cli.expect_nothing_left()
            self._passes.update(dict.fromkeys(scenarios, found))

        if not self._passes:
            with ThreadPoolExecutor(LABS_AT_ONCE) as pool:
                [*pool.map(run, (wanted[number::LABS_AT_ONCE] for number in range(LABS_AT_ONCE)))]
        elif scenario in self._asked:
            run([scenario])
        self._asked.add(scenario)
        return self._passes[scenario]


LIBRARY = Library()
"""Not a fixture: a test that is repeated gets new ones, and the other scenarios need not run again."""


@pytest.mark.parametrize(
    "scenario", [pytest.param(name, marks=() if name in SAMPLE else pytest.mark.long) for name in POSSIBLE]
)
def test_the_library_passes_on_plain_processes(
    tmp_path_factory: pytest.TempPathFactory, scenario: str, soak: bool
) -> None:
    wanted = [name for name in POSSIBLE if soak or name in SAMPLE]
    LIBRARY.run_of(scenario, wanted, tmp_path_factory).expect_pass(scenario)


def test_what_plain_processes_cannot_do_is_refused_before_any_traffic(cli: Cli) -> None:
    outcome = cli.run("run", "cpu", "--runtime", "local")
    assert outcome.code == 255, outcome
    assert FAULTS["cpu"].support.lacking in outcome.err
    assert not [*cli.folder.glob("results/*/history.jsonl")]
