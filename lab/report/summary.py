"""Table of the verdicts of one or several runs, for a terminal, a log, or the summary page of a CI job."""

from __future__ import annotations

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
"""Shown instead of a verdict for a check that had nothing to check."""
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
    "Readmit (s)",
    "Lost/dup/zombie",
)
_NUMBERS = {"Requests", "Failed", "Unknown", "Slow"}
_HEADINGS = {
    "Requests": "Reqs",
    "Failed": "Fail",
    "Unknown": "Unk",
    "Lost/dup/zombie": "Lost/\ndup/\nzombie",
}
"""Shorter headings for terminals, so that no cell is cut off in 80 columns."""
_WRAPPED = {"Fault", "Reroute (s)", "Readmit (s)"}
"""If the table is still too wide, cells of these columns are wrapped at their first space."""
_ANY_WIDTH = 10_000


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """A verdict and the folder of its run."""

    verdict: RunVerdict
    folder: Path
    host: str = ""
    """Sentence about a busy host (`lab.report.host_disturbance`); empty if it was not busy."""


def summary(runs: Sequence[JudgedRun]) -> RenderableType:
    """Return a summary for a rich console.

    It has the table, the checks that did not pass, those that were not asserted, notes on a busy host, and the paths of
    the reports.
    """
    return Group(_Rows(runs), *_failing(runs), *_not_asserted(runs), *_hosts(runs), *_where(runs))


@dataclass(frozen=True, slots=True)
class _Rows:
    """The table in the first form that fits without cutting anything off: plain, with wrapped cells, or as lines."""

    runs: Sequence[JudgedRun]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        wide = options.update(width=_ANY_WIDTH)
        for table in (_table(self.runs, wrapped=False), _table(self.runs, wrapped=True)):
            if console.measure(table, options=wide).maximum <= options.max_width:
                yield table
                return
        for judged in self.runs:
            yield from _stacked(judged.verdict)


def _table(runs: Sequence[JudgedRun], *, wrapped: bool) -> Table:
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
    """Return the summary of a run as lines, for a terminal that is too narrow for a table."""
    rows = [dict(zip(_COLUMNS, row, strict=True)) for row in _rows(verdict)]
    first, word = rows[0], _WORDS[verdict.verdict]
    lines = [Text.assemble((word, _STYLES[word]), f"  {verdict.scenario}")]
    counts = [f"{name.lower()} {first[name]}" for name in ("Requests", "Failed", "Unknown", "Slow")]
    lines.append(_line(counts, 4))
    for row in rows:
        lines += [Text(f"    {row['Fault']}")] if verdict.faults else []
        lines += [_line([f"{name.lower()} {row[name]}"], 6) for name in ("Reroute (s)", "Readmit (s)")]
    return [*lines, _line([f"lost/dup/zombie {first['Lost/dup/zombie']}"], 4)]


def _line(parts: Sequence[str], indent: int) -> Text:
    return Text(" " * indent + " · ".join(parts), overflow="fold")


def markdown(runs: Sequence[JudgedRun]) -> str:
    """Return the summary as GitHub-flavoured Markdown, for the summary page of a CI job."""
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|" + "|".join(_rule(column) for column in _COLUMNS) + "|"]
    for judged in runs:
        lines += ["| " + " | ".join(cell(each) for each in row) + " |" for row in _rows(judged.verdict)]
    open_points = [
        f"- {_verdict_word(run, c)}: **{cell(run.verdict.scenario)}, {cell(c.name)}** – {cell(c.detail)}"
        for run, c in _not_passed(runs)
    ]
    not_asserted = [f"{cell(line)}  " for line in _not_asserted_lines(runs)]  # two spaces are a line break
    hosts = [f"- {cell(run.verdict.scenario)}: {cell(run.host)}" for run in runs if run.host]
    blocks = [block for block in (lines, open_points, not_asserted, hosts) if block]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _rows(verdict: RunVerdict) -> list[tuple[str, ...]]:
    """Return one row for each fault; the first one has the cells that concern the whole run."""
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
    """Return a time and its bound as `0.08 ≤ 1.52`."""
    if bound is None:
        return "–" if value is None else f"{value:.2f}"
    if value is None:
        return f"– (≤ {bound:.2f})"
    return f"{value:.2f} {'≤' if value <= bound else '>'} {bound:.2f}"


def _not_passed(runs: Sequence[JudgedRun]) -> list[tuple[JudgedRun, Check]]:
    return [(run, check) for run in runs for check in run.verdict.checks if check.verdict is not Verdict.PASS]


def _verdict_word(run: JudgedRun, check: Check) -> str:
    """Return the check's verdict. A failed check of an unknown run is marked: it does not count (`lab.judge`)."""
    uncounted = check.verdict is Verdict.FAIL and run.verdict.verdict is Verdict.UNKNOWN
    return _WORDS[check.verdict] + (", not counted" if uncounted else "")


def _failing(runs: Sequence[JudgedRun]) -> list[Text]:
    lines = [
        Text.assemble(
            "  ",
            (_verdict_word(run, check), _STYLES[_WORDS[check.verdict]]),
            f"  {run.verdict.scenario}: {check.name}\n",
            (f"      {check.detail}", "dim"),
        )
        for run, check in _not_passed(runs)
    ]
    return [Text(), *lines] if lines else []


def _not_asserted_lines(runs: Sequence[JudgedRun]) -> list[str]:
    """Return the checks that were not asserted. Scenarios with the same ones share a line."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for run in runs:
        names = tuple(check.name for check in run.verdict.checks if not check.asserted)
        if names:
            groups.setdefault(names, []).append(run.verdict.scenario)
    return [
        f"{NOT_ASSERTED} ({', '.join(dict.fromkeys(scenarios))}): {', '.join(names)}"
        for names, scenarios in groups.items()
    ]


def _not_asserted(runs: Sequence[JudgedRun]) -> list[Text]:
    lines = [Text(line, "dim") for line in _not_asserted_lines(runs)]
    return [Text(), *lines] if lines else []


def _hosts(runs: Sequence[JudgedRun]) -> list[Text]:
    lines = [Text(f"! {run.verdict.scenario}: {run.host}", "yellow") for run in runs if run.host]
    return [Text(), *lines] if lines else []


def _where(runs: Sequence[JudgedRun]) -> list[Text]:
    return [Text(), *(Text.assemble(("report  ", "dim"), str(judged.folder / "report.html")) for judged in runs)]


def _rule(column: str) -> str:
    return "---:" if column in _NUMBERS else "---"
