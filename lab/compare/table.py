"""Formats the rows as a terminal table and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from rich.table import Table

from .differences import FEWEST, LEVEL, MEASURES, contrasts
from .differences import cells as difference_cells
from .document import Comparison, Row, Spread, label

COLUMNS: Final = (
    "Scenario", "Balancer", "Settings", "Failed", "of them POST", "Slow", "Reroute s", "Back s", "p99 in fault s",
    "Lost/dup/zombie", "Herd ×", "CPU µs",
)  # fmt: skip
_SHORT: Final = (
    "", "Fail", "POST", "Slow", "Reroute", "Back", "p99", "Lost/ dup/ zom.", "Herd", "CPU µs",
)  # fmt: skip
_EXPLAINED: Final = "Reroute, Back, p99: seconds. Of several runs: median, range. docs/peers.md explains each column."
_WITHOUT_RANGE: Final = {"p99", "Herd", "CPU µs"}
_LOG_LINES: Final = 6
_LONG: Final = 240
"""Number of characters shown of a log line: the reason is usually at its beginning."""


def cells(row: Row) -> tuple[str, ...]:
    """Return the texts of one row in the order of `COLUMNS`."""
    spreads = row.spreads
    lead = (row.scenario, row.balancer, row.settings)
    if not row.runs:
        return (*lead, *("–",) * (len(COLUMNS) - len(lead)))
    jobs = "/".join(_middle(spreads[name]) for name in ("lost", "duplicated", "zombie"))
    counts = tuple(_text(spreads[name], 0) for name in ("failed", "failed_posts", "slow"))
    times = tuple(_text(spreads[name], 2) for name in ("reroute_s", "readmit_s", "p99_fault_s"))
    return (*lead, *counts, *times, jobs, _text(spreads["herd"], 1), _text(spreads["cpu_us"], 0))


def table(comparison: Comparison) -> Table:
    """Return the table for the terminal: median, and (lowest–highest) of several runs.

    Headings are short, each scenario has a line of its own and some ranges are left out, so that it fits 80 columns.
    """
    grid = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), caption=_EXPLAINED, caption_justify="left")
    for number, name in enumerate(_SHORT):
        width = max(map(len, name.split()), default=0)
        grid.add_column(name, justify="right" if number else "left", no_wrap=not number, min_width=width)
    levels = {row.settings for row in comparison.rows()}
    last = ""
    for row in comparison.rows():
        scenario, balancer, settings, *numbers = cells(row)
        if scenario != last:
            grid.add_row(scenario)
        last = scenario
        grid.add_row(
            f"  {label(balancer, settings) if len(levels) > 1 else balancer}", *map(_narrow, _SHORT[1:], numbers)
        )
    return grid


def difference_table(comparison: Comparison) -> Table:
    """Return the differences from the baseline for the terminal, with their intervals below."""
    grid = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), caption=_interval(), caption_justify="left")
    grid.add_column(f"Beside {comparison.baseline}")
    for measure in MEASURES:
        grid.add_column(measure.heading, justify="right")
    last = ""
    for each in contrasts(comparison):
        if each.scenario != last:
            grid.add_row(each.scenario)
        last = each.scenario
        grid.add_row(f"  {each.entry}", *(text.rstrip(")").replace(" (", "\n") for text in difference_cells(each)))
    return grid


def _interval() -> str:
    return f"Median of the paired differences, {LEVEL:.0%} interval from {FEWEST} repeats on."


def _narrow(heading: str, text: str) -> str:
    """Return the median with its range below, if the column has room for one."""
    median, _, spread = text.rstrip(")").partition(" (")
    return f"{median}\n{spread}" if spread and heading not in _WITHOUT_RANGE else median


def markdown(comparison: Comparison) -> str:
    """Return the whole table as Markdown, with provenance, problems, quirks and tunings; ends with a newline."""
    lines = [
        *provenance(comparison),
        "",
        _line(COLUMNS),
        _line("---" if number < 3 else "---:" for number in range(len(COLUMNS))),
        *(_line(cells(row)) for row in comparison.rows()),
    ]
    quirks = [
        f"{name}: {each['setting']}: {each['meaning']}" for name, all_ in comparison.quirks.items() for each in all_
    ]
    tunings = [
        f"{name}: {each['advice']} ({each['source']})" for name, all_ in comparison.tunings.items() for each in all_
    ]
    if found := contrasts(comparison):
        heads = ("Scenario", "Entry", *(measure.heading for measure in MEASURES))
        lines += ["", f"## Differences from {comparison.baseline}", "", _interval(), "", _line(heads)]
        lines += [_line("---" if number < 2 else "---:" for number in range(len(heads)))]
        lines += [_line((each.scenario, each.entry, *difference_cells(each))) for each in found]
        lines += ["", *(f"- {each.sentence()}" for each in found)]
    lines += _section("Problems", [str(each) for each in remarks(comparison)])
    lines += _section("What they cannot express", quirks)
    lines += _section("What `tuned` adds, and its source", tunings)
    return "\n".join(lines) + "\n"


def matrix(comparison: Comparison) -> str:
    """Return the short table for a README: a row for each scenario, a column for each balancer."""
    rows = comparison.rows()
    columns = list(dict.fromkeys((row.balancer, row.settings) for row in rows))
    several = len({settings for _, settings in columns}) > 1
    names = [label(balancer, settings) if several else balancer for balancer, settings in columns]
    found = {(row.scenario, row.balancer, row.settings): row for row in rows}
    lines = [_line(["fault", *names]), _line(["---", *("---:" for _ in names)])]
    lines += [
        _line([scenario, *(_short(found.get((scenario, *column))) for column in columns)])
        for scenario in dict.fromkeys(row.scenario for row in rows)
    ]
    counts = sorted({row.runs for row in rows if row.runs}) or [0]
    number = "–".join(dict.fromkeys((str(counts[0]), str(counts[-1]))))
    of = "single runs" if number == "1" else f"medians of {number} runs"
    legend = f"failed / slow / seconds to reroute; {of}; – if the host was too busy, or none started"
    return "\n".join([*lines, "", f"{legend}  ", *provenance(comparison)]) + "\n"


def provenance(comparison: Comparison) -> list[str]:
    """Return versions, machine, date and commands, with which the comparison can be repeated."""
    versions = ", ".join(f"{name} {number}" for name, number in comparison.versions.items())
    return [
        f"Versions: {versions}  ",
        f"Machine: {comparison.machine}  ",
        f"Date: {comparison.made}, seed {comparison.seed}, load {comparison.mix}, runtime {comparison.runtime}  ",
        *(f"Command: `{command}`  " for command in dict.fromkeys(comparison.commands)),
    ]


def _short(row: Row | None) -> str:
    if row is None or not row.runs:
        return "–"
    failed, slow, reroute = (row.spreads[name].median for name in ("failed", "slow", "reroute_s"))
    return f"{failed or 0:.0f} / {slow or 0:.0f} / {'–' if reroute is None else f'{reroute:.2f}'}"


@dataclass(frozen=True, slots=True)
class Remark:
    """A problem of a run, as text."""

    text: str
    log: tuple[str, ...]
    """Last relevant lines of the program's log."""
    next_step: str

    def __str__(self) -> str:
        next_step = f" (next: {self.next_step})" if self.next_step else ""
        log = f" Its log: {' | '.join(self.log[-3:])}" if self.log else ""
        return f"{self.text}{next_step}{log}"

    def lines(self) -> Iterable[str]:
        """Yield the lines for a terminal."""
        yield self.text
        yield from (f"    {line}" for line in self.log)
        if self.next_step:
            yield f"  next: {self.next_step}"


def remarks(comparison: Comparison) -> list[Remark]:
    """Return each problem once: what did not start, died or was spoiled, with the next step."""
    found: dict[Remark, None] = {}
    for each in comparison.results:
        if each.status != "ok":
            where = f"{label(each.balancer, each.settings)}, {each.scenario}"
            log = tuple(line if len(line) <= _LONG else f"{line[:_LONG]}…" for line in each.details[-_LOG_LINES:])
            found[Remark(f"{where}: {each.status}: {each.reason}", log, each.next_step)] = None
    return [*found]


def _section(title: str, notes: list[str]) -> list[str]:
    return ["", f"## {title}", "", *(f"- {note}" for note in notes)] if notes else []


def _text(spread: Spread, digits: int) -> str:
    if spread.low is None:
        return "never" if digits == 2 else "–"
    middle = "never" if spread.median is None else f"{spread.median:.{digits}f}"
    low = f"{spread.low:.{digits}f}"
    high = "never" if spread.high is None else f"{spread.high:.{digits}f}"
    return middle if low == high else f"{middle} ({low}–{high})"


def _middle(spread: Spread) -> str:
    return "?" if spread.median is None else f"{spread.median:.0f}"


def _line(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"
