"""A running lab that runs scenarios for a test, and explains a failure in one text."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import EnvironmentProblemError
from ..evidence.events import read_events
from ..evidence.results import new_run_dir
from ..evidence.verdict import RunVerdict, Verdict
from ..judge.judge import is_unknown_because_of_host
from ..output.inert import inert
from ..report import write_reports
from ..report.host_disturbance import busy_host
from ..run.experiment import run_experiment
from ..scenario.file_reader import load_scenario
from ..scenario.library import find
from ..scenario.plan import Plan
from ..scenario.planner import make_plan
from ..services.endpoints import Endpoints
from . import synchronous


def run_folder(results: Path, name: str) -> Path:
    """Return the folder of a new run. The text of the error names the option, because pytest shows no next step."""
    try:
        return new_run_dir(results, name)
    except EnvironmentProblemError as error:
        raise EnvironmentProblemError(f"{error}; choose another folder with --lab-results") from error


@dataclass(frozen=True, slots=True)
class Lab:
    """The fixture `lab`: one lab for all tests of a session. Every run has a folder with a report in `results`."""

    endpoints: Endpoints
    results: Path
    adapt: Callable[[Plan], Plan] = field(default=lambda plan: plan, repr=False)
    """Fits a plan to this lab (`lab.runtime.Runtime.adapt`)."""

    @property
    def url(self) -> str:
        """URL of the balancer's traffic port."""
        return self.endpoints.traffic

    def run(self, scenario: str | Path, *, seed: int | None = None, repeats: int = 1) -> RunVerdict:
        """Run a scenario (a name of the library, or a file) and return its verdict.

        A run that only a busy host spoiled is repeated up to `repeats` times. Raise LabError if the scenario is not
        valid or the lab cannot run it.
        """
        path = find(str(scenario))
        chosen = random.SystemRandom().randrange(2**32) if seed is None else seed
        plan = self.adapt(make_plan(load_scenario(path), path.stem, chosen))
        while True:
            folder = run_folder(self.results, plan.scenario)
            verdict = synchronous.run(run_experiment(plan, self.endpoints, folder))
            write_reports(folder)
            if repeats <= 0 or not is_unknown_because_of_host(verdict):
                return verdict
            repeats -= 1

    def check(self, scenario: str | Path, *, seed: int | None = None, repeats: int = 1) -> RunVerdict:
        """Run a scenario and return its verdict. Raise AssertionError with the reasons unless it is `pass`."""
        __tracebackhide__ = True
        verdict = self.run(scenario, seed=seed, repeats=repeats)
        assert verdict.verdict is Verdict.PASS, self.explain(verdict)
        return verdict

    def explain(self, verdict: RunVerdict) -> str:
        """Return one line for each check that did not pass, and the path of the report."""
        lines = [
            f"{check.verdict}: {check.name}: {check.detail}" for check in verdict.checks if check.verdict != "pass"
        ]
        report = self.results.resolve() / verdict.run_id / "report.html"
        host = [each for each in [self._host(verdict)] if each]
        text = [f"{verdict.scenario}: {verdict.verdict}", *lines, *host, f"report: {report}"]
        return "\n".join(map(inert, text))

    def _host(self, verdict: RunVerdict) -> str:
        try:
            return busy_host(read_events(self.results / verdict.run_id / "events.jsonl"))
        except OSError:
            return ""
