"""The page: one file that opens offline, with the look of the lab's reports and no script at all."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ...output.inert import shown
from . import formatting, plots, table
from .bench_record import Bench, Scenario


def page(bench: Bench) -> str:
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
    environment.filters["duration"] = formatting.duration
    digest = b64encode(sha256(style.encode()).digest()).decode()
    exact = formatting.deviations(bench)
    return environment.get_template("policies.html.j2").render(
        bench=bench,
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'",
        style=Markup(style),  # our own files, not input
        headline=formatting.agreement(bench),
        requests=sum(cell.requests for cell in bench.cells),
        exact=exact,
        unstable=sum(cell.unstable for cell in bench.cells),
        sections=[_section(bench, scenario) for scenario in bench.scenarios],
        costs=formatting.costs(bench),
        sizes=sorted({cost.backends for cost in bench.cost}),
    )


def _section(bench: Bench, scenario: Scenario) -> dict[str, Any]:
    """Every text in the plots is escaped where it is made (`lab.report.timeline.svg`)."""
    cells = bench.of(scenario)
    columns = table.columns(scenario, cells)
    top = plots.top_of_panels(scenario, cells) if scenario.focus is not None else 0.0
    panels = sorted(cells, key=lambda cell: cell.policy) if scenario.focus is not None else []
    formulas = {c.theory.latency.formula: c.theory.latency.source for c in cells if c.theory.latency}
    if scenario.floor:
        formulas[scenario.floor.formula] = f"{scenario.floor.source}: all servers behind one queue, the lowest mean"
    shares = {c.theory.shares.formula: c.theory.shares.relation for c in cells if c.theory.shares}
    return {
        "scenario": scenario,
        "load": formatting.load(scenario),
        "latency": Markup(plots.latency(scenario, cells)),  # see above
        "shares": Markup(plots.shares(scenario, cells)),  # see above
        "panels": [Markup(plots.over_time(scenario, cell, top)) for cell in panels],  # see above
        "columns": columns,
        "rows": list(zip(cells, zip(*(column.texts for column in columns), strict=True), strict=True)),
        "formulas": formulas,
        "share_formulas": shares,
    }


def _style() -> str:
    """The reports' style first: colours and type are theirs."""
    report = resources.files("lab.report.templates").joinpath("report.css").read_text(encoding="utf-8")
    return report + resources.files("lab.bench.templates").joinpath("policies.css").read_text(encoding="utf-8")
