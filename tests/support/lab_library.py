"""The whole library in one go, and what became of each scenario."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.e2e.conftest import Cli
from tests.support.disturbance import HostWasBusyError

LATE = {"generator_lag"}
"""The generator shares a busy machine's cores with the lab under test. Its lateness makes a verdict `unknown`, by
design; everything else that the run found must still be good."""
REPEATS = "3"
"""Of a run that a busy host spoiled."""


@dataclass(frozen=True, slots=True)
class LibraryPass:
    """What `lab run … --json` said of many scenarios."""

    outcome: object
    """All that was printed, for the message of a test that fails."""
    runs: dict[str, dict[str, Any]]
    """Scenario → its run."""
    skipped: dict[str, str]
    """Scenario → the reason why this lab cannot do it."""

    def expect_pass(self, scenario: str) -> None:
        """It ran, and every check passed but for a busy host."""
        assert scenario in self.runs, self.outcome
        run = self.runs[scenario]
        open_checks = {check["name"]: check["detail"] for check in run["checks"] if check["verdict"] != "pass"}
        if open_checks.keys() <= LATE:
            return
        found = f"{scenario}: {run['verdict']}: {open_checks}; {run['attributions'][:5]}"
        raise failure(run, found)


def failure(run: dict[str, Any], found: str) -> AssertionError:
    """The error to raise for what was found in a run, which tells by itself whether its host was busy."""
    return HostWasBusyError(f"{found}\n{run['host']}") if run["host"] else AssertionError(found)


def library_pass(cli: Cli, *arguments: str, within_s: float) -> LibraryPass:
    """`lab run` with these arguments."""
    outcome = cli.run("run", *arguments, "--seed", "1", "--repeats", REPEATS, "--json", within_s=within_s)
    assert outcome.code in {0, 1, 2}, outcome
    document = outcome.document
    return LibraryPass(
        outcome=outcome,
        runs={run["scenario"]: run for run in document["runs"]},
        skipped={each["scenario"]: each["reason"] for each in document["skipped"]},
    )
