"""`lab diff`: two runs of the same plan beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..compare.run_difference import RunDifference, compare_runs
from . import candidates
from .common import JsonOption, message_console, print_json
from .scenario_commands import RunArgument, run_folder


def diff(
    before: RunArgument,
    after: Annotated[
        str,
        typer.Argument(metavar="RUN", help="Another run of the same plan.", autocompletion=candidates.runs),
    ],
    results: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("results"),
    as_json: JsonOption = False,
) -> None:
    """Show what clients experienced in two runs of the same plan, and what was configured differently.

    Two runs say nothing of chance: `lab compare --entry --repeat` tells differences with an interval.
    """
    found = compare_runs(run_folder(before, results), run_folder(after, results))
    if as_json:
        print_json(found.as_document())
        return
    console = message_console(as_json)
    console.print(_measures(found))
    for key, one, other in found.configuration:
        console.print(f"{key}: {one} → {other}", soft_wrap=True)
    console.print("two runs are two cases only; lab compare --entry … --repeat 6 tells how sure a difference is")


def _measures(found: RunDifference) -> Table:
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("", found.before, found.after, "difference"):
        grid.add_column(heading, justify="right" if heading else "left", overflow="fold")
    for name, *values in found.rows():
        *both, difference = ("–" if value is None else f"{value:g}" for value in values)
        sign = "+" if values[2] and values[2] > 0 else ""
        grid.add_row(name, *both, f"{sign}{difference}")
    return grid
