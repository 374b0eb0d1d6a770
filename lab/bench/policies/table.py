"""Results as tables for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from . import formatting
from .bench_record import Bench, Cell, Scenario

_ALWAYS = ("policy", "mean", "p50", "p99", "share")
_NOTHING = ("", "0")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its heading and a text for each policy."""

    name: str
    texts: tuple[str, ...]

    @property
    def is_theory(self) -> bool:
        """Whether the column has the theoretical values of the column before it."""
        return self.name == "theory"


def columns(scenario: Scenario, cells: Sequence[Cell]) -> list[Column]:
    """Return the columns with one text for each cell. Columns without any value are left out."""
    made = [Column("policy", tuple(cell.policy for cell in cells))]
    for name in ("mean", "p50", "p99"):
        field = f"{name}_s"
        made.append(Column(name, tuple(formatting.duration(getattr(cell, field).value) for cell in cells)))
        made.append(Column("theory", tuple(formatting.expected(cell.theory.latency, field) for cell in cells)))
    made.append(Column("share", tuple(formatting.measured_share(scenario, cell) for cell in cells)))
    made.append(Column("theory", tuple(formatting.expected_share(scenario, cell) for cell in cells)))
    made.append(Column("slow", tuple(formatting.part(cell.slow, cell.requests) for cell in cells)))
    made.append(Column("failed", tuple(formatting.part(cell.failed, cell.requests) for cell in cells)))
    return [column for column in made if column.name in _ALWAYS or any(t not in _NOTHING for t in column.texts)]


def tables(bench: Bench) -> Iterator[Table]:
    """Yield a table for each scenario, at most 80 columns wide. Theoretical values follow the simulated ones."""
    for scenario in bench.scenarios:
        title = Text.assemble((scenario.title, "bold"), "\n", (f"{formatting.load(scenario)}; times in ms", "dim"))
        table = Table(
            title=title,
            title_justify="left",
            title_style="",
            box=None,
            header_style="dim",
            pad_edge=False,
            collapse_padding=True,
        )
        found = columns(scenario, bench.of(scenario))
        for column, yardstick in zip(found, [*found[1:], None], strict=True):
            if not column.is_theory:
                theory = yardstick if yardstick and yardstick.is_theory else None
                _add(table, column, theory)
        for index in range(len(found[0].texts)):
            table.add_row(*_cells(found, index))
        yield table


def _add(table: Table, column: Column, theory: Column | None) -> None:
    justify: JustifyMethod = "left" if theory or column.name == "policy" else "right"
    table.add_column(column.name, justify=justify, style="red" if column.name == "failed" else None, no_wrap=True)


def _cells(found: Sequence[Column], index: int) -> list[Text]:
    """Return the texts of a row, each followed by its theoretical value; milliseconds have no unit."""
    cells: list[Text] = []
    widths = {column.name: max(len(_bare(text)) for text in column.texts) for column in found if not column.is_theory}
    for column in found:
        text = _bare(column.texts[index])
        if column.is_theory:
            cells[-1] = Text.assemble(cells[-1], " ", (text, "cyan"))
        elif column.name == "policy":
            cells.append(Text(text))
        else:
            cells.append(Text(text.rjust(widths[column.name])))
    return cells


def _bare(text: str) -> str:
    return text.removesuffix(" ms")


def markdown(bench: Bench) -> str:
    """Return all tables as Markdown."""
    parts = [f"<!-- `{bench.command}`, {bench.made} -->"]
    for scenario in bench.scenarios:
        found = columns(scenario, bench.of(scenario))
        lines = [_line(texts) for texts in zip(*(column.texts for column in found), strict=True)]
        parts.append(
            f"**{scenario.title}** (`{scenario.scenario}`: {formatting.load(scenario)}{_floor(scenario)})\n\n"
            + "\n".join([_line([column.name for column in found]), _rule(len(found)), *lines])
        )
    if bench.disruption:
        rows = [
            _line((each.policy, f"{each.moved:.1%}", f"≈ {each.theory:.0%}", f"{each.without_need:.1%}"))
            for each in bench.disruption
        ]
        head = ("policy", "keys moved when one of ten leaves", "theory", "unnecessarily moved")
        parts.append("\n".join([_line(head), _rule(4), *rows]))
    if bench.cost:
        sizes = sorted({cost.backends for cost in bench.cost})
        rows = [_line((name, *(f"{us:.1f} µs" for us in each))) for name, each in formatting.costs(bench)]
        parts.append("\n".join([_line(("a pick among", *(f"{n:,}" for n in sizes))), _rule(len(sizes) + 1), *rows]))
    return "\n\n".join(parts) + "\n"


def _floor(scenario: Scenario) -> str:
    floor = scenario.floor
    return f"; no policy can beat a mean of {formatting.duration(floor.mean_s)}" if floor and floor.mean_s else ""


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rule(columns: int) -> str:
    return "| --- |" + " ---: |" * (columns - 1)
