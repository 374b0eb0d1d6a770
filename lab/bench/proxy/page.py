"""The report page: one file that opens offline and has no script."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from ...balancers.adapter import Quirk
from ...balancers.requirements import Address, Backend, ProxySpec
from ...report.page_kit import render
from . import formatting
from .contenders import ALL
from .plot import bars
from .result import Report

TEMPLATES = Path(__file__).parents[1] / "templates"


def page(report: Report) -> str:
    """Return the report as HTML."""
    values = {
        "report": report,
        "words": formatting,
        "how": formatting.how(report),
        "sections": [(shape, rows, Markup(bars(rows))) for shape in report.shapes if (rows := report.rows(shape))],
        "quirks": {entrant.name: _quirks(entrant.name) for entrant in report.entrants},
    }
    return render(TEMPLATES / "proxy.html.j2", TEMPLATES / "proxy.css", values)


def _quirks(name: str) -> tuple[Quirk, ...]:
    anywhere = Address("localhost", 1)
    return ALL[name].quirks(ProxySpec(anywhere, anywhere, (Backend("b", anywhere),)))
