"""Results as tables for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from . import formatting
from .closed_loop import Shape
from .result import Report


def tables(report: Report) -> Iterator[Table]:
    """Yield a table for each load, then one of problems."""
    versions = {entrant.name: entrant.version or "" for entrant in report.entrants}
    for shape in report.shapes:
        yield _load(report, shape, versions)
    if troubles := formatting.troubles(report):
        table = Table("", "problem", box=None, pad_edge=False, header_style="dim")
        for contender, trouble in troubles:
            table.add_row(contender, trouble)
        yield table


def _load(report: Report, shape: Shape, versions: dict[str, str]) -> Table:
    table = Table(
        title=formatting.load(shape),
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        collapse_padding=True,
        header_style="dim",
    )
    table.add_column("", no_wrap=True)
    for heading in ("CPU µs/req.", f"÷ {report.baseline}", "requests/s", "p50 ms", "p99 ms", "idle"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in report.rows(shape):
        table.add_row(
            f"{row.contender} {versions.get(row.contender, '')}",
            formatting.cost(row),
            formatting.ratio(row),
            formatting.rate(row),
            formatting.latency(row.p50_s),
            formatting.latency(row.p99_s),
            formatting.idle(report, row.contender),
        )
    return table
