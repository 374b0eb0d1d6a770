"""`lab results`: the runs of a results folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..errors import BadArgumentsError, EnvironmentProblemError
from ..index.listing import Listed, read_listing
from ..index.page import FILE, is_foreign, write_index
from .common import JsonOption, message_console, print_json


def results(
    folder: Annotated[Path, typer.Option("--results", help="Folder of the runs.")] = Path("results"),
    last: Annotated[int, typer.Option(help="Number of runs that are shown.", min=1, max=500)] = 20,
    as_html: Annotated[
        bool, typer.Option("--html", help="Write index.html of the folder again, and print its path.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the newest runs, comparisons, gates and benchmarks of a folder."""
    if as_html and as_json:
        raise BadArgumentsError("--json and --html exclude each other", "choose one of them")
    if not folder.is_dir():
        raise BadArgumentsError(f"there is no folder {folder}", "--results FOLDER")
    if as_html:
        message_console(as_json).print(str(_written(folder).resolve()), soft_wrap=True)
        return
    listing = read_listing(folder, last)
    if as_json:
        print_json({"older": listing.older, "runs": [asdict(each) for each in listing.listed]})
        return
    console = message_console(as_json)
    if not listing.listed:
        console.print(f"no runs in {folder}")
        return
    console.print(_table(listing.listed))
    if listing.older:
        console.print(f"{listing.older} older: --last {len(listing.listed) + listing.older}, or --html")


def _written(folder: Path) -> Path:
    path = folder / FILE
    try:
        if is_foreign(folder):
            raise BadArgumentsError(f"{path} is not a file of the lab", "move it away, or choose another --results")
        return write_index(folder)
    except OSError as error:
        raise EnvironmentProblemError(f"{path} cannot be written: {error.strerror}", "is the disk full?") from error


def _table(listed: tuple[Listed, ...]) -> Table:
    grid = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("Time (UTC)", "Verdict", "Kind", "Scenario", "Result"):
        grid.add_column(heading, overflow="fold")
    for each in listed:
        scenarios = ", ".join(each.scenarios[:3]) + (" …" if len(each.scenarios) > 3 else "")
        told = each.told if len(each.told) <= 120 else f"{each.told[:119]}…"
        grid.add_row(each.made[:19].replace("T", " "), each.verdict, each.kind, scenarios, told or each.folder)
    return grid
