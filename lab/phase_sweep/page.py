"""The sweep as a page: one file that opens offline, with the look of the lab's reports and no script at all."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..output.inert import shown
from . import Sweep
from .plot import plot


def page(sweep: Sweep) -> str:
    """All of it as HTML."""
    report = resources.files("lab.report.templates").joinpath("report.css").read_text(encoding="utf-8")
    style = report + resources.files("lab.phase_sweep.templates").joinpath("sweep.css").read_text(encoding="utf-8")
    environment = Environment(
        loader=PackageLoader("lab.phase_sweep", "templates"),
        autoescape=True,
        finalize=shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return environment.get_template("sweep.html.j2").render(
        sweep=sweep,
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'",
        style=Markup(style),  # our own files, not input
        plot=Markup(plot(sweep)),
    )
