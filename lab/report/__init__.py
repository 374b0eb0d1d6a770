"""Reports for people: the HTML report of a run, its JUnit file, the live view in the terminal, and the summary."""

from __future__ import annotations

from pathlib import Path

from ..output.atomic_write import write_atomically
from .html import html
from .junit import junit
from .run_files import Run, load

__all__ = ["Run", "write_reports"]


def write_reports(run_dir: Path) -> Run:
    """Write `report.html` and `junit.xml` from the run's other files, as far as these exist; return the run.

    Raise FileNotFoundError if the folder has no file of a run, OSError if it cannot be written to.
    """
    run = load(run_dir)
    for name, content in (("report.html", html(run)), ("junit.xml", junit(run))):
        write_atomically(run_dir / name, content)
    return run
