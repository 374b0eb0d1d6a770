"""The sweep as a page: one file that opens offline, with the look of the lab's reports and no script at all."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from ..report.page_kit import render
from . import Sweep
from .plot import plot

TEMPLATES = Path(__file__).with_name("templates")


def page(sweep: Sweep) -> str:
    """All of it as HTML."""
    return render(TEMPLATES / "sweep.html.j2", TEMPLATES / "sweep.css", {"sweep": sweep, "plot": Markup(plot(sweep))})
