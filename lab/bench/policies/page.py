"""The report page: one file that opens offline and has no script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markupsafe import Markup

from ...report.page_kit import render
from . import formatting, plots, table
from .bench_record import Bench, Scenario

TEMPLATES = Path(__file__).parents[1] / "templates"


def page(bench: Bench) -> str:
    """Return the report as HTML."""
    exact = formatting.deviations(bench)
    values = {
        "bench": bench,
        "headline": formatting.agreement(bench),
        "requests": sum(cell.requests for cell in bench.cells),
        "exact": exact,
        "unstable": sum(cell.unstable for cell in bench.cells),
        "sections": [_section(bench, scenario) for scenario in bench.scenarios],
        "costs": formatting.costs(bench),
        "sizes": sorted({cost.backends for cost in bench.cost}),
    }
    return render(TEMPLATES / "policies.html.j2", TEMPLATES / "policies.css", values, {"duration": formatting.duration})


def _section(bench: Bench, scenario: Scenario) -> dict[str, Any]:
    """Return the values of one scenario. Plots are safe: `lab.report.timeline.svg` escapes every text in them."""
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
