"""The verdicts of one or several runs in a table: for the terminal, for a log, for the summary page of a CI job."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..evidence.verdict import Check, FaultResult, RunVerdict, Verdict
from ..output.inert import markdown as cell

_WORDS = {Verdict.PASS: "✓ pass", Verdict.FAIL: "✗ fail", Verdict.UNKNOWN: "? unknown"}
NOT_ASSERTED = "not asserted"
"""What the verdict is called of a check that was asked nothing: no pass, and no blemish either."""
_STYLES = {"✓ pass": "bold green", "✗ fail": "bold red", "? unknown": "bold yellow"}
_COLUMNS = (
    "Scenario",
    "Verdict",
    "Requests",
    "Failed",
    "Unknown",
    "Slow",
    "Fault",
    "Reroute (s)",
    "Taken back (s)",
    "Lost/dup/zombie",
)
_NUMBERS = {"Requests", "Failed", "Unknown", "Slow"}
_HEADINGS = {
    "Requests": "Reqs",
    "Failed": "Fail",
    "Unknown": "Unk",
    "Taken back (s)": "Taken\nback (s)",
    "Lost/dup/zombie": "Lost/\ndup/\nzombie",
}
"""On a terminal of 80 columns every cell must be whole, so the headings give way."""
_WRAPPED = {"Fault", "Reroute (s)", "Taken back (s)"}
"""Where the headings do not suffice, these go on in a second line at their first space: `unhealthy`, `api-3`."""
_ANY_WIDTH = 10_000
PLAIN_WIDTH = 140
"""Columns of a plain-text summary: a log wraps nothing by itself."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict, and the folder that holds its evidence."""

    verdict: RunVerdict
    folder: Path
    host: str = ""
    """What a busy host may have done to it (`lab.report.host_disturbance`)."""


def summary(runs: Sequence[Judged]) -> RenderableType:
    """Return, for a rich console: the table, what did not pass and why, what was not asserted, whether the host was
    busy, and where the reports are."""
    return Group(_Rows(runs), *_failing(runs), *_not_asserted(runs), *_hosts(runs), *_where(runs))


@dataclass(frozen=True, slots=True)
class _Rows:
    """The table in the first form that fits without cutting anything: plain, wrapped, or as lines below each other."""

    runs: Sequence[Judged]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        wide = options.update(width=_ANY_WIDTH)
        for table in (_table(self.runs, wrapped=False), _table(self.runs, wrapped=True)):
            if console.measure(table, options=wide).maximum <= options.max_width:
                yield table
                return
        for judged in self.runs:
            yield from _stacked(judged.verdict)


def _table(runs: Sequence[Judged], *, wrapped: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for column in _COLUMNS:
        justify: Literal["right", "left"] = "right" if column in _NUMBERS else "left"
        heading = _HEADINGS.get(column, column)
        table.add_column(_broken(heading) if wrapped and column in _WRAPPED else heading, justify=justify, no_wrap=True)
    for judged in runs:
        for row in _rows(judged.verdict):
            cells = zip(_COLUMNS, row, strict=True)
            shown = [_broken(cell) if wrapped and column in _WRAPPED else cell for column, cell in cells]
            table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in shown))
    return table


def _broken(cell: str) -> str:
    return cell.replace(" ", "\n", 1)


def _stacked(verdict: RunVerdict) -> list[Text]:
    """For a terminal that is too narrow for any table; words may wrap, nothing is cut."""
    rows = [dict(zip(_COLUMNS, row, strict=True)) for row in _rows(verdict)]
    first, word = rows[0], _WORDS[verdict.verdict]
    lines = [Text.assemble((word, _STYLES[word]), f"  {verdict.scenario}")]
    counts = [f"{name.lower()} {first[name]}" for name in ("Requests", "Failed", "Unknown", "Slow")]
    lines.append(_line(counts, 4))
    for row in rows:
        lines += [Text(f"    {row['Fault']}")] if verdict.faults else []
        lines += [_line([f"{name.lower()} {row[name]}"], 6) for name in ("Reroute (s)", "Taken back (s)")]
    return [*lines, _line([f"lost/dup/zombie {first['Lost/dup/zombie']}"], 4)]


def _line(parts: Sequence[str], indent: int) -> Text:
    return Text(" " * indent + " · ".join(parts), overflow="fold")


def plain(runs: Sequence[Judged]) -> str:
    """The same without colour or control codes."""
    console = Console(file=io.StringIO(), width=PLAIN_WIDTH, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(summary(runs))
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def markdown(runs: Sequence[Judged]) -> str:
    """The same as GitHub-flavoured Markdown, for a CI job's summary page."""
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|" + "|".join(_rule(column) for column in _COLUMNS) + "|"]
    for judged in runs:
        lines += ["| " + " | ".join(cell(each) for each in row) + " |" for row in _rows(judged.verdict)]
    open_points = [
        f"- {_said(run, c)}: **{cell(run.verdict.scenario)}, {cell(c.name)}** – {cell(c.detail)}"
        for run, c in _open(runs)
    ]
    unasked = [f"{cell(line)}  " for line in _unasked(runs)]  # two spaces: a line of its own
    hosts = [f"- {cell(run.verdict.scenario)}: {cell(run.host)}" for run in runs if run.host]
    blocks = [block for block in (lines, open_points, unasked, hosts) if block]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _rows(verdict: RunVerdict) -> list[tuple[str, ...]]:
    """One row a fault; what belongs to the whole run stands in the first."""
    requests, work = verdict.requests, verdict.work
    counts = tuple(f"{n:,}" for n in (requests.total, requests.failed, requests.unknown, requests.slow))
    first = (verdict.scenario, _WORDS[verdict.verdict], *counts)
    lost = "/".join("–" if count is None else str(count) for count in (work.lost, work.duplicated, work.zombie))
    faults = [_fault(fault) for fault in verdict.faults] or [("–", "–", "–")]
    blank = ("",) * len(first)
    return [(*(blank if i else first), *fault, "" if i else lost) for i, fault in enumerate(faults)]


def _fault(fault: FaultResult) -> tuple[str, str, str]:
    reroute = _measured(fault.reroute_s, fault.bound_s)
    return f"{fault.kind} {fault.target}", reroute, _measured(fault.readmit_s, fault.readmit_bound_s)


def _measured(value: float | None, bound: float | None) -> str:
    """`0.08 ≤ 1.52`: the relation is the finding."""
    if bound is None:
        return "–" if value is None else f"{value:.2f}"
    if value is None:
        return f"– (≤ {bound:.2f})"
    return f"{value:.2f} {'≤' if value <= bound else '>'} {bound:.2f}"


def _open(runs: Sequence[Judged]) -> list[tuple[Judged, Check]]:
    return [(run, check) for run in runs for check in run.verdict.checks if check.verdict is not Verdict.PASS]


def _said(judged: Judged, check: Check) -> str:
    """A fail of a run without ground under it (`lab.judge.judge`) is told, but counts for nothing."""
    uncounted = check.verdict is Verdict.FAIL and judged.verdict.verdict is Verdict.UNKNOWN
    return _WORDS[check.verdict] + (", not counted" if uncounted else "")


def _failing(runs: Sequence[Judged]) -> list[Text]:
    found = _open(runs)
    lines = [
        Text.assemble(
            "  ",
            (_said(run, check), _STYLES[_WORDS[check.verdict]]),
            f"  {run.verdict.scenario}: {check.name}\n",
            (f"      {check.detail}", "dim"),
        )
        for run, check in found
    ]
    return [Text(), *lines] if lines else []


def _unasked(runs: Sequence[Judged]) -> list[str]:
    """The checks that the runs were not held to, a line for all scenarios that leave out the same ones."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for run in runs:
        left_out = tuple(check.name for check in run.verdict.checks if not check.asserted)
        if left_out:
            groups.setdefault(left_out, []).append(run.verdict.scenario)
    return [
        f"{NOT_ASSERTED} ({', '.join(dict.fromkeys(scenarios))}): {', '.join(names)}"
        for names, scenarios in groups.items()
    ]


def _not_asserted(runs: Sequence[Judged]) -> list[Text]:
    lines = [Text(line, "dim") for line in _unasked(runs)]
    return [Text(), *lines] if lines else []


def _hosts(runs: Sequence[Judged]) -> list[Text]:
    lines = [Text(f"! {run.verdict.scenario}: {run.host}", "yellow") for run in runs if run.host]
    return [Text(), *lines] if lines else []


def _where(runs: Sequence[Judged]) -> list[Text]:
    return [Text(), *(Text.assemble(("report  ", "dim"), str(judged.folder / "report.html")) for judged in runs)]


def _rule(column: str) -> str:
    return "---:" if column in _NUMBERS else "---"
