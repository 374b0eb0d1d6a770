"""The page of a phase sweep: one file that opens offline, in the style of the reports, without a script."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from ..report.page_kit import render
from . import Sweep
from .plot import plot

TEMPLATES = Path(__file__).with_name("templates")


def page(sweep: Sweep) -> str:
    """Return the whole page as HTML."""
    return render(TEMPLATES / "sweep.html.j2", TEMPLATES / "sweep.css", {"sweep": sweep, "plot": Markup(plot(sweep))})
