"""`lab run` and `lab replay`: run scenarios or plans on a lab and judge them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ..errors import BadArgumentsError
from ..evidence.results import expect_writable
from ..evidence.verdict import worst
from ..index.page import indexed
from ..judge.checkers.registry import checkers
from ..phase_sweep import Sweep
from ..report import job_summary
from ..report.live import view
from ..report.summary import JudgedRun, summary
from ..runtime.docker_lab import DEFAULT_PROJECT
from ..runtime.selection import runtime, searched
from ..scenario.file_reader import load_scenario
from ..scenario.library import find, names
from ..scenario.plan import Plan
from ..scenario.planner import make_plan
from . import candidates
from .common import (
    STAYS,
    BalancerOption,
    JsonOption,
    ProjectOption,
    RuntimeOption,
    keep_inside,
    message_console,
    print_json,
)
from .run_session import RunSession, document, sweep_table


def run(
    scenarios: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SCENARIO…",
            help="Names from the library (`lab scenarios`), or YAML files.",
            autocompletion=candidates.scenarios,
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="The whole library; scenarios that this lab cannot run are skipped and listed."),
    ] = False,
    runtime_name: RuntimeOption = None,
    seed: Annotated[
        int | None, typer.Option(help="Makes every random choice of the plan repeatable. Default: a new one.", min=0)
    ] = None,
    phases: Annotated[
        int,
        typer.Option(help="Run each scenario N times, its faults at k/N of the health-check interval.", min=0, max=64),
    ] = 0,
    results: Annotated[Path, typer.Option(help="Folder that gets one folder for each run.")] = Path("results"),
    repeats: Annotated[
        int, typer.Option("--repeats", help="How often a run is repeated that only a busy host spoiled.", min=0, max=5)
    ] = 1,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the lab running afterwards.")] = False,
    project: ProjectOption = DEFAULT_PROJECT,
    balancer_cmd: BalancerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run scenarios one after another on the running lab, or on one started for them. Exit with the worst verdict."""
    wanted = [*(names() if everything else ()), *(scenarios or ())]
    if not wanted:
        raise BadArgumentsError(
            "no scenario was named", f"name some, or use --all; the library has {', '.join(names())}"
        )
    checkers()  # refuses two with the same name before anything starts
    chosen_seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    plans = [make_plan(load_scenario(path), path.stem, chosen_seed) for path in map(find, wanted)]
    console = message_console(as_json)
    expect_writable(results)
    lab_runtime = runtime(searched(runtime_name)[0], project, balancer_cmd)
    if balancer_cmd is not None:
        keep_inside(console.print, STAYS if keep else "")
    if keep:
        lab_runtime.up(console.print)
    with indexed(results), lab_runtime.borrow(console.print) as endpoints, view(console) as live:
        session = RunSession(endpoints, results, live, console, repeats)
        plans = [lab_runtime.adapt(plan) for plan in plans]
        plans, skipped = session.runnable(plans) if everything else (plans, [])
        if phases:
            sweeps = [session.sweep(plan, phases) for plan in plans]
            judged = [run for _, runs in sweeps for run in runs]
        else:
            sweeps, judged = [], [session.run_valid(plan) for plan in plans]
    job_summary.append(judged)
    verdict = worst(run.verdict.verdict for run in judged)
    if as_json:
        runs = [document(each) for each in judged]
        found = [json.loads(sweep.to_json()) for sweep, _ in sweeps]
        print_json({"verdict": verdict, "seed": chosen_seed, "runs": runs, "skipped": skipped, "sweeps": found})
    else:
        _say(console, judged, skipped, [sweep for sweep, _ in sweeps])
    raise typer.Exit(verdict.exit_code)


def replay(
    plan_file: Annotated[Path, typer.Argument(metavar="PLAN", help="plan.json of an earlier run, or of `lab plan`.")],
    runtime_name: RuntimeOption = None,
    results: Annotated[Path, typer.Option(help="Folder that gets the run's folder.")] = Path("results"),
    project: ProjectOption = DEFAULT_PROJECT,
    balancer_cmd: BalancerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a plan again: the same requests and steps, each step within 50 ms of its time. Exit with the verdict."""
    try:
        plan = Plan.from_json(plan_file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadArgumentsError(
            f"{plan_file} is not a plan: {error}", "give plan.json from the folder of a run"
        ) from error
    checkers()
    console = message_console(as_json)
    expect_writable(results)
    lab_runtime = runtime(searched(runtime_name)[0], project, balancer_cmd)
    if balancer_cmd is not None:
        keep_inside(console.print)
    with indexed(results), lab_runtime.borrow(console.print) as endpoints, view(console) as live:
        judged = RunSession(endpoints, results, live, console, repeats=0).run_valid(plan)
    if as_json:
        print_json(document(judged))
    else:
        console.print(summary([judged]))
    raise typer.Exit(judged.verdict.verdict.exit_code)


def _say(console: Console, judged: list[JudgedRun], skipped: list[dict[str, str]], sweeps: list[Sweep]) -> None:
    console.print(summary(judged))
    for sweep in sweeps:
        console.print(sweep_table(sweep))
    for each in skipped:
        console.print(f"skipped: {each['scenario']}: {each['reason']}", soft_wrap=True)
