"""`lab scenarios`: what the library has, and what each scenario proves."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from ..run.feasibility import requirements
from ..scenario.describe import IN_EVERY_RUN, expectations, timeline
from ..scenario.file_reader import load_scenario
from ..scenario.library import find, names
from ..scenario.plan import Plan
from ..scenario.planner import make_plan
from . import candidates
from .common import INDENT, JsonOption, message_console, print_json, print_paragraph

_SEED = 0
"""A duration that the scenario leaves to the seed differs a little in other runs."""


def scenarios(
    chosen: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SCENARIO…",
            help="Show these in full: names from the library, or YAML files.",
            autocompletion=candidates.scenarios,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the scenarios of the library and what each proves.

    Below each title: what a run has to show, the faults, how long traffic flows at least and at most, and what it needs
    that not every lab has. With names, each is shown in full, step by step.
    """
    files = [find(name) for name in chosen or names()]
    plans = [make_plan(load_scenario(file), file.stem, _SEED) for file in files]
    if as_json:
        print_json({"scenarios": [_document(plan, file) for plan, file in zip(plans, files, strict=True)]})
        return
    console = message_console(as_json)
    for plan, name in zip(plans, chosen or (), strict=False):
        _show(console, plan, name)
    if not chosen:
        _list(console, plans)


def _list(console: Console, plans: list[Plan]) -> None:
    width = max(len(plan.scenario) for plan in plans)
    for plan in plans:
        console.print(Text.assemble((f"{plan.scenario:<{width}}", "bold"), f"  {plan.title}"), soft_wrap=True)
        print_paragraph(console, "; ".join([*expectations(plan)] or IN_EVERY_RUN))
        facts = [_steps(plan), _takes(plan), *(f"needs {need}" for need in requirements(plan))]
        print_paragraph(console, " · ".join(facts), style="dim")
    console.print("  next: lab scenarios NAME, for all about one; lab run NAME, or lab run --all", soft_wrap=True)


def _show(console: Console, plan: Plan, name: str) -> None:
    """Print one scenario in full."""
    console.print(Text.assemble((plan.scenario, "bold"), f"  {plan.title}"), soft_wrap=True)
    print_paragraph(console, " ".join(plan.description.split()))
    sections = {
        f"what happens, in {_takes(plan)}": timeline(plan),
        "what a run proves": [f"{INDENT}{clause}" for clause in (*expectations(plan), *IN_EVERY_RUN)],
        "what it needs": [f"{INDENT}{need}" for need in requirements(plan)],
    }
    for heading, lines in sections.items():
        for number, line in enumerate(lines):
            if number == 0:
                console.print(heading, style="dim")
            print_paragraph(console, line, first="", later=" " * 12)
    option = "".join(f" {need}" for need in requirements(plan) if need.startswith("--"))
    console.print(f"  next: lab run {shlex.quote(name)}{option}\n", soft_wrap=True)


def _steps(plan: Plan) -> str:
    """Return the faults and operator actions, with the number of those that are repeated: `pause ×3`."""
    counts = Counter(step.name for step in plan.steps)
    return ", ".join(f"{name} ×{count}" if count > 1 else name for name, count in counts.items())


def _takes(plan: Plan) -> str:
    """Return the shortest and the longest duration of the traffic: without any wait for readmission, and with all."""
    return f"{plan.faults_end_s + plan.settle_s:.0f}–{plan.traffic_limit_s:.0f} s"


def _document(plan: Plan, file: Path) -> dict[str, Any]:
    return {
        "name": plan.scenario,
        "file": str(file),
        "title": plan.title,
        "description": plan.description,
        "faults": sorted({step.fault for step in plan.steps if step.fault}),
        "actions": sorted({step.act for step in plan.steps if step.act}),
        "proves": [*expectations(plan)],
        "in_every_run": IN_EVERY_RUN,
        "takes_s": {"least": plan.faults_end_s + plan.settle_s, "most": plan.traffic_limit_s},
        "needs": requirements(plan),
    }
