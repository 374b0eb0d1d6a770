"""What people look at: the report of a run, its JUnit file, the live view and the summary."""

from __future__ import annotations

from pathlib import Path

from ..output.atomic_write import write_atomically
from .html import html
from .junit import junit
from .run_files import Run, is_run, load

__all__ = ["Run", "is_run", "write_reports"]


def write_reports(run_dir: Path) -> Run:
    """Write `report.html` and `junit.xml` from the other files of the run, as far as they exist; returns what was read.

    Raises FileNotFoundError when the folder is not that of a run, OSError when it cannot be written to.
    """
    run = load(run_dir)
    for name, content in (("report.html", html(run)), ("junit.xml", junit(run))):
        write_atomically(run_dir / name, content)
    return run
