"""`compare.html`: small multiples, table, quirks and tunings in one file that opens offline and has no script."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from ..evidence.record import RunRecord, load_run
from ..report.page_kit import render
from .configs import read_configs, read_own
from .differences import FEWEST, LEVEL, MEASURES, contrasts
from .differences import cells as difference_cells
from .document import Comparison, Result, label
from .small_multiples import panel, span
from .table import parts, remarks

TEMPLATES = Path(__file__).with_name("templates")
FILE = "compare.html"


@dataclass(frozen=True, slots=True)
class Multiple:
    """One panel with its caption; `picture` is None if there was no run."""

    label: str
    caption: str
    picture: Markup | None


def write_page(comparison: Comparison, folder: Path) -> None:
    """Write the page into `folder`, which also has the folders of the runs."""
    scenarios = dict.fromkeys(row.scenario for row in comparison.rows())
    values = {
        "comparison": comparison,
        "tables": [
            ([column.heading for column in part.columns], [part.cells(row) for row in part.rows])
            for part in parts(comparison)
        ],
        "contenders": len({(row.balancer, row.settings) for row in comparison.rows()}),
        "remarks": remarks(comparison),
        "contrasts": [(each, difference_cells(each)) for each in contrasts(comparison)],
        "measures": MEASURES,
        "interval": f"{LEVEL:.0%}",
        "fewest": FEWEST,
        "configs": read_configs(folder),
        "own": read_own(folder),
        "scenarios": [(name, multiples(comparison, name, folder)) for name in scenarios],
    }
    page = render(TEMPLATES / "compare.html.j2", TEMPLATES / "compare.css", values)
    (folder / FILE).write_text(page, encoding="utf-8")


def multiples(comparison: Comparison, scenario: str, folder: Path) -> list[Multiple]:
    """Return a panel for each row, drawn from the repeat with the median result."""
    shown = [(label(row.balancer, row.settings), _middle(comparison, row.balancer, row.settings, scenario))
             for row in comparison.rows() if row.scenario == scenario]  # fmt: skip
    loaded = {result.folder: load_run(folder / result.folder) for _, result in shown if result.measures}
    until, highest = span([*loaded.values()])
    return [_multiple(name, result, loaded.get(result.folder), until, highest) for name, result in shown]


def _multiple(name: str, result: Result, run: RunRecord | None, until: float, highest: float) -> Multiple:
    if run is None or result.measures is None:
        return Multiple(name, f"{result.status}: {result.reason}", None)
    caption = f"{result.measures.failed} failed, {result.measures.slow} slow"
    if result.status != "ok":
        caption = f"{result.status}: {result.reason}; {caption}"
    return Multiple(name, caption, Markup(panel(run, result.measures, name, until, highest)))


def _middle(comparison: Comparison, balancer: str, settings: str, scenario: str) -> Result:
    wanted = (balancer, settings, scenario)
    runs = [each for each in comparison.results if (each.balancer, each.settings, each.scenario) == wanted]
    counted = [each for each in runs if each.counts]
    counted.sort(key=lambda each: (each.measures.failed, each.measures.slow) if each.measures else (0, 0))
    return counted[(len(counted) - 1) // 2] if counted else runs[-1]
