"""`lab open`: shows the report of a run in the browser."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from ..errors import BadArgumentsError
from ..evidence.results import LATEST, run_names
from . import candidates
from .common import JsonOption, message_console, print_json

_REPORT = "report.html"
_SHOWN = 10
"""How many runs an error lists."""


def open_page(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="A run's folder, its id, `latest`, or an HTML file.", autocompletion=candidates.runs
        ),
    ] = LATEST,
    results: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("results"),
    only_print: Annotated[bool, typer.Option("--print", help="Print path and URL; open nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Open the report of a run in the browser; also of a comparison, phase sweep or benchmark.

    Without a display, and with --print or --json, only its path and URL are printed.
    """
    page = _page(run, results).resolve()
    opened = not (only_print or as_json) and _has_display() and webbrowser.open(page.as_uri())
    if as_json:
        print_json({"file": str(page), "url": page.as_uri()})
        return
    console = message_console(as_json)
    console.print(str(page), soft_wrap=True)
    console.print(page.as_uri(), soft_wrap=True)
    if not (opened or only_print):
        console.print("no browser was opened: there is no display here, or no browser")


def _page(run: str, results: Path) -> Path:
    """Return the HTML file of a run. Raise `BadArgumentsError`, which lists the runs that have one."""
    for place in (Path(run), results / run):
        if place.suffix == ".html" and place.is_file():
            return place
        if pages := _pages(place):
            return pages[0]
    known = [name for name in run_names(results) if _pages(results / name)]
    if not known:
        raise BadArgumentsError(f"there is no report in {results}/", "lab run kill, or give another folder: --results")
    if (folder := results / run).is_dir() or (folder := Path(run)).is_dir():
        raise BadArgumentsError(f"{folder} has no report", f"lab report {run}, or lab open {known[0]}")
    raise BadArgumentsError(f"there is no run {run!r}", f"lab open {known[0]}", _listed(known))


def _listed(known: list[str]) -> tuple[str, ...]:
    more = len(known) - _SHOWN
    return (*known[:_SHOWN], *([f"and {more} older ones"] if more > 0 else []))


def _pages(folder: Path) -> list[Path]:
    """Return the HTML files of a folder, the report first."""
    return sorted(folder.glob("*.html"), key=lambda page: (page.name != _REPORT, page.name))


def _has_display() -> bool:
    """Return whether a window can be opened. Without one, some browsers would take over the terminal."""
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
