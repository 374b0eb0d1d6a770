"""`lab run`: scenarios against a lab, judged."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lab.cli.common import (
    BalancerOption,
    JsonOption,
    ProjectOption,
    RuntimeName,
    RuntimeOption,
    answer,
    people,
    runtime,
)
from lab.endpoints import Endpoints
from lab.experiment import run_experiment
from lab.judge import spoiled_by_host
from lab.report import job_summary, write_reports
from lab.report.live import View, view
from lab.report.summary import Judged, summary
from lab.results import new_run_dir
from lab.runtime.docker import DEFAULT_PROJECT
from lab.scenario.library import find
from lab.scenario.loader import load_scenario
from lab.scenario.plan import Plan
from lab.scenario.planner import make_plan
from lab.verdict import worst


def run(
    scenarios: Annotated[list[str], typer.Argument(metavar="SCENARIO…", help="Names from the library, or YAML files.")],
    runtime_name: RuntimeOption = RuntimeName.LOCAL,
    seed: Annotated[
        int | None, typer.Option(help="Makes every random choice of the plan repeatable. Default: a new one.", min=0)
    ] = None,
    results: Annotated[Path, typer.Option(help="Folder that gets one folder a run.")] = Path("results"),
    repeats: Annotated[
        int, typer.Option("--repeats", help="How often a run that only a busy host spoiled is repeated.", min=0, max=5)
    ] = 1,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the lab running afterwards.")] = False,
    project: ProjectOption = DEFAULT_PROJECT,
    balancer_cmd: BalancerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run scenarios one after another on the running lab, or else on one brought up for them; exit with the worst."""
    chosen_seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    plans = [make_plan(load_scenario(path), path.stem, chosen_seed) for path in map(find, scenarios)]
    console = people(as_json)
    place = runtime(runtime_name, project, balancer_cmd)
    if keep:
        place.up(console.print)
    with place.borrow(console.print) as endpoints, view(console) as live:
        judged = [_settled(plan, endpoints, results, live, console, repeats) for plan in plans]
    job_summary.append(judged)
    verdict = worst(run.verdict.verdict for run in judged)
    if as_json:
        answer({"verdict": verdict, "seed": chosen_seed, "runs": [_document(each) for each in judged]})
    else:
        console.print(summary(judged))
    raise typer.Exit(verdict.exit_code)


def _settled(plan: Plan, endpoints: Endpoints, results: Path, live: View, console: Console, repeats: int) -> Judged:
    """The first run that is evidence, or the last one. Spoiled runs stay in the results folder as they are."""
    judged = _one(plan, endpoints, results, live, console)
    while repeats > 0 and spoiled_by_host(judged.verdict):
        repeats -= 1
        console.print(f"{plan.scenario}: the host was too busy for a verdict ({judged.folder}); once more")
        judged = _one(plan, endpoints, results, live, console)
    return judged


def _one(plan: Plan, endpoints: Endpoints, results: Path, live: View, console: Console) -> Judged:
    run_dir = new_run_dir(results, plan.scenario)
    try:
        verdict = asyncio.run(run_experiment(plan, endpoints, run_dir, live))
    except BaseException:
        live.close()
        _report_what_there_is(run_dir, console)
        raise
    write_reports(run_dir)
    return Judged(verdict, run_dir)


def _report_what_there_is(run_dir: Path, console: Console) -> None:
    """An interrupted run has evidence, too; that it cannot be shown must not hide why the run ended."""
    with contextlib.suppress(Exception):
        write_reports(run_dir)
        console.print(f"the run did not come to its end; what was recorded is in {run_dir}")


def _document(judged: Judged) -> dict[str, object]:
    return {"folder": str(judged.folder), **json.loads(judged.verdict.to_json())}
