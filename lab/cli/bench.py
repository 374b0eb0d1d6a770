"""`lab bench`: benchmarks."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lab.bench import policies as bench_policies
from lab.bench.policies.record import Cell, Document
from lab.bench.policies.table import tables
from lab.bench.policies.words import agreement
from lab.cli.common import JsonOption, answer, people

app = typer.Typer(help="Benchmarks: policies on a simulator, beside theory.", rich_markup_mode=None)


@app.callback()
def bench() -> None:
    """Benchmarks. (A callback keeps `policies` a subcommand while it is the only one.)"""


@app.command()
def policies(
    scenario: Annotated[list[str] | None, typer.Option(help="May be repeated. Default: all.")] = None,
    policy: Annotated[list[str] | None, typer.Option(help="May be repeated. Default: all.")] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Independent runs of each.")] = 3,
    scale: Annotated[float, typer.Option(min=0.01, max=100, help="Measure this many times as long.")] = 1.0,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Simulations at once.")] = os.cpu_count() or 1,
    out: Annotated[Path, typer.Option(file_okay=False, help="Where the findings go.")] = Path("results/bench-policies"),
    as_json: JsonOption = False,
) -> None:
    """Every policy in every scenario: share, p50 and p99 by simulation of the real core, with the theory's values.

    Writes bench.json, report.html and table.md.
    """
    wanted = bench_policies.Wanted(tuple(scenario or ()), tuple(policy or ()), seeds, scale, jobs)
    console = people(as_json)
    known_scenarios, known_policies = bench_policies.names()
    total = len(wanted.scenarios or known_scenarios) * len(wanted.policies or known_policies)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("simulating", total=total)

        def heard(document: Document) -> None:
            if isinstance(document, Cell):
                progress.advance(task)

        found = bench_policies.run(wanted, heard)
    written = bench_policies.write(found, out)
    if as_json:
        answer(json.loads(found.model_dump_json(by_alias=True)))
        return
    for table in tables(found):
        console.print(table, "")
    console.print("Behind a value of ours stands theory's: = exact, ≈ in the limit, ≤ at most, ∞ overloaded.")
    console.print(agreement(found))
    console.print("written: " + " ".join(map(str, written)), soft_wrap=True)
