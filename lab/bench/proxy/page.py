"""The page: one file that opens offline, with the look of the lab's reports and no script at all."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ...balancers.adapter import Quirk
from ...balancers.requirements import Address, Backend, ProxySpec
from ...output.inert import shown
from . import formatting
from .contenders import ALL
from .plot import bars
from .result import Report


def page(report: Report) -> str:
    """All of it as HTML."""
    style = _style()
    environment = Environment(
        loader=PackageLoader("lab.bench", "templates"),
        autoescape=True,
        finalize=shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return environment.get_template("proxy.html.j2").render(
        report=report,
        words=formatting,
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'",
        style=Markup(style),  # our own files, not input
        how=formatting.how(report),
        sections=[(shape, rows, Markup(bars(rows))) for shape in report.shapes if (rows := report.rows(shape))],
        quirks={entrant.name: _quirks(entrant.name) for entrant in report.entrants},
    )


def _quirks(name: str) -> tuple[Quirk, ...]:
    anywhere = Address("localhost", 1)
    return ALL[name].quirks(ProxySpec(anywhere, anywhere, (Backend("b", anywhere),)))


def _style() -> str:
    """The reports' style first: colours and type are theirs."""
    report = resources.files("lab.report.templates").joinpath("report.css").read_text(encoding="utf-8")
    return report + resources.files("lab.bench.templates").joinpath("proxy.css").read_text(encoding="utf-8")
