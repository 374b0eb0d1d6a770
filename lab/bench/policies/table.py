"""The findings as tables: for a terminal and for a document."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from lab.bench.policies import words
from lab.bench.policies.record import Bench, Cell, Scenario

COLUMNS = ("policy", "mean", "theory", "p50", "theory", "p99", "theory", "share", "theory", "slow", "failed")


def tables(bench: Bench) -> Iterator[Table]:
    """One for each scenario. Values that theory gives too stand beside its own."""
    for scenario in bench.scenarios:
        table = Table(
            title=f"{scenario.title} · {words.load(scenario)}",
            title_justify="left",
            title_style="bold",
            box=None,
            header_style="dim",
            pad_edge=False,
        )
        for number, name in enumerate(COLUMNS):
            table.add_column(name, justify="right" if number else "left", style="cyan" if name == "theory" else None)
        for cell in bench.of(scenario):
            cells = row(scenario, cell)
            table.add_row(*cells[:-1], Text(cells[-1], style="red" if cell.failed else ""))
        yield table


def row(scenario: Scenario, cell: Cell) -> list[str]:
    """The texts of one line, in the order of `COLUMNS`."""
    theory = cell.theory.latency
    times = []
    for name in ("mean_s", "p50_s", "p99_s"):
        measured = getattr(cell, name).value
        times += [words.duration(measured), words.expected(theory, name)]
    return [
        cell.policy,
        *times,
        words.measured_share(scenario, cell),
        words.expected_share(scenario, cell),
        f"{cell.slow / cell.requests:.1%}" if cell.slow else "0",
        str(cell.failed),
    ]


def markdown(bench: Bench) -> str:
    """All of it as Markdown, to be pasted into a document."""
    parts = [f"<!-- `{bench.command}`, {bench.made} -->"]
    for scenario in bench.scenarios:
        lines = [_line(row(scenario, cell)) for cell in bench.of(scenario)]
        parts.append(
            f"**{scenario.title}** (`{scenario.scenario}`: {words.load(scenario)}{_floor(scenario)})\n\n"
            + "\n".join([_line(COLUMNS), _rule(len(COLUMNS)), *lines])
        )
    if bench.disruption:
        rows = [
            _line((each.policy, f"{each.moved:.1%}", f"≈ {each.theory:.0%}", f"{each.without_need:.1%}"))
            for each in bench.disruption
        ]
        head = ("policy", "keys moved when one of ten leaves", "theory", "of backends that stayed")
        parts.append("\n".join([_line(head), _rule(4), *rows]))
    if bench.cost:
        sizes = sorted({cost.backends for cost in bench.cost})
        rows = [_line((name, *(f"{us:.1f} µs" for us in each))) for name, each in words.costs(bench)]
        parts.append("\n".join([_line(("a pick among", *(f"{n:,}" for n in sizes))), _rule(len(sizes) + 1), *rows]))
    return "\n\n".join(parts) + "\n"


def _floor(scenario: Scenario) -> str:
    floor = scenario.floor
    return f"; no policy can beat a mean of {words.duration(floor.mean_s)}" if floor and floor.mean_s else ""


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rule(columns: int) -> str:
    return "| --- |" + " ---: |" * (columns - 1)
