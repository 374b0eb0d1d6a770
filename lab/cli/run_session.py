"""Runs plans on a running lab. Each run is judged and reported, repeated if the host spoiled it, or swept."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.table import Table

from ..errors import EnvironmentProblemError
from ..evidence.record import RunRecord, load_run
from ..evidence.results import new_run_dir
from ..judge.judge import is_unknown_because_of_host
from ..phase_sweep import Point, Sweep, points, write
from ..phase_sweep import plans as sweep_plans
from ..phase_sweep.page import page
from ..report import write_reports
from ..report.host_disturbance import busy_host
from ..report.live import View
from ..report.summary import JudgedRun
from ..run.experiment import run_experiment
from ..run.feasibility import obstacles
from ..scenario.plan import Plan
from ..scenario.units import parse_duration
from ..services.clients import ChaosClient
from ..services.endpoints import Endpoints


@dataclass(frozen=True, slots=True)
class RunSession:
    """Runs plans on one lab, with one results folder, live view and console."""

    endpoints: Endpoints
    results: Path
    live: View
    console: Console
    repeats: int

    def runnable(self, plans: list[Plan]) -> tuple[list[Plan], list[dict[str, str]]]:
        """Return the plans that this lab can carry out, and for each of the others the reason why it cannot.

        Raise EnvironmentProblemError if there is none.
        """
        capabilities = asyncio.run(self._capabilities())
        reasons = {plan.scenario: "; ".join(obstacles(plan, self.endpoints, capabilities)) for plan in plans}
        able = [plan for plan in plans if not reasons[plan.scenario]]
        skipped = [{"scenario": name, "reason": reason} for name, reason in reasons.items() if reason]
        if not able:
            raise EnvironmentProblemError("this lab can run none of the scenarios", "lab faults list")
        return able, skipped

    def run_valid(self, plan: Plan) -> JudgedRun:
        """Return the first run that the host did not spoil, or the last one. Spoiled runs stay in the folder."""
        left = self.repeats
        judged = self._run_once(plan)
        while left > 0 and is_unknown_because_of_host(judged.verdict):
            left -= 1
            self.console.print(
                f"{plan.scenario}: the host was too busy for a verdict ({judged.folder}); repeating the run"
            )
            judged = self._run_once(plan)
        return judged

    def sweep(self, plan: Plan, count: int) -> tuple[Sweep, list[JudgedRun]]:
        """Run the plan at `count` phases; write table, JSON and page into a separate folder."""
        judged: list[JudgedRun] = []
        found: list[Point] = []
        interval_s = 0.0
        for one in sweep_plans(plan, count):
            judged.append(self.run_valid(one))
            record = load_run(judged[-1].folder)
            interval_s = _interval_s(record) or interval_s
            found += points(one, record, judged[-1].verdict, interval_s)
        sweep = Sweep(plan.scenario, self.endpoints.runtime, plan.seed, interval_s, tuple(found))
        folder = new_run_dir(self.results, f"{plan.scenario}-sweep", latest=False)
        try:
            _, shown = write(sweep, folder, page(sweep))
        except OSError as error:
            raise EnvironmentProblemError(f"the sweep cannot be written: {error}", "is the disk full?") from error
        self.console.print(f"{plan.scenario} by phase: {shown}", soft_wrap=True)
        return sweep, judged

    def _run_once(self, plan: Plan) -> JudgedRun:
        run_dir = new_run_dir(self.results, plan.scenario)
        try:
            verdict = asyncio.run(run_experiment(plan, self.endpoints, run_dir, self.live))
        except BaseException:
            self.live.close()
            self._report_interrupted(run_dir)
            raise
        try:
            written = write_reports(run_dir)
        except OSError as error:
            raise EnvironmentProblemError(
                f"{plan.scenario}: {verdict.verdict}, but the reports cannot be written: {error}",
                f"is the disk full? then: lab report {run_dir}",
            ) from error
        return JudgedRun(verdict, run_dir, busy_host(written.events))

    def _report_interrupted(self, run_dir: Path) -> None:
        """Write the reports of an interrupted run. Ignore errors, which would hide why the run ended."""
        with contextlib.suppress(Exception):
            write_reports(run_dir)
            self.console.print(f"the run was not completed; its record is in {run_dir}")

    async def _capabilities(self) -> dict[str, object]:
        async with aiohttp.ClientSession() as session:
            return await ChaosClient(session, self.endpoints).capabilities()


def document(judged: JudgedRun) -> dict[str, object]:
    """Return one run as shown by `--json`."""
    return {"folder": str(judged.folder), "host": judged.host, **json.loads(judged.verdict.to_json())}


def _interval_s(record: RunRecord) -> float | None:
    """Return the health-check interval from the run's configuration, or None if the balancer does not publish it."""
    health = record.config.get("health")
    return parse_duration(health["interval"]) if health else None


def sweep_table(sweep: Sweep) -> Table:
    """Return a table with one row for each fault."""
    table = Table("phase", "found", "fault", "reroute (s)", "bound (s)", "verdict", box=None, pad_edge=False)
    for point in sweep.points:
        table.add_row(
            f"{point.wanted:.3f}",
            "" if point.phase is None else f"{point.phase:.3f}",
            point.kind,
            "" if point.reroute_s is None else f"{point.reroute_s:.3f}",
            "" if point.bound_s is None else f"{point.bound_s:.3f}",
            str(point.verdict),
        )
    return table
