"""Formats the rows as a terminal table and as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.table import Table

from .differences import FEWEST, LEVEL, MEASURES, contrasts
from .differences import cells as difference_cells
from .document import OWN, Comparison, Row, label
from .spread import Spread
from .standard_scenarios import Group, group_of

_EXPLAINED: Final = "Reroute, Back, p99: seconds. Of several runs: median, range. docs/peers.md explains each column."
_LOG_LINES: Final = 6
_LONG: Final = 240
"""Number of characters shown of a log line: the reason is usually at its beginning."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table."""

    heading: str
    """Heading on the page and in Markdown."""
    cell: Callable[[Row], str]
    """Function that returns the text of a row. Columns of measures are empty if the row has no run."""
    short: str | None = None
    """Heading in the terminal; None: the column names the row, so it has no place of its own there."""
    range_in_terminal: bool = True
    """Whether the terminal shows (lowest–highest) too. Some columns leave it out, so that the table fits."""
    groups: tuple[Group, ...] = tuple(Group)
    """Groups of scenarios whose tables have the column."""


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one group of scenarios, with the columns that say how they went."""

    group: Group
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    def cells(self, row: Row) -> tuple[str, ...]:
        """Return the texts of one row in the order of the columns."""
        return tuple("–" if each.short is not None and not row.runs else each.cell(row) for each in self.columns)


def parts(comparison: Comparison) -> list[Part]:
    """Return the parts of the comparison that have rows, each a table of its own."""
    found = []
    for group in Group:
        rows = tuple(row for row in comparison.rows() if group_of(row.scenario) is group)
        if rows:
            found.append(Part(group, tuple(each for each in COLUMNS if group in each.groups), rows))
    return found


def table(part: Part) -> Table:
    """Return the table for the terminal: median, and (lowest–highest) of several runs.

    Headings are short, each scenario has a line of its own and some ranges are left out, so that it fits 80 columns.
    """
    grid = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), caption=_EXPLAINED, caption_justify="left")
    grid.add_column(no_wrap=True)
    for column in part.columns:
        if column.short is not None:
            grid.add_column(column.short, justify="right", min_width=max(map(len, column.short.split())))
    levels = {row.settings for row in part.rows}
    last = ""
    for row in part.rows:
        if row.scenario != last:
            grid.add_row(row.scenario)
        last = row.scenario
        name = label(row.balancer, row.settings) if len(levels) > 1 else row.balancer
        grid.add_row(f"  {name}", *_narrow(part, row))
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


def _narrow(part: Part, row: Row) -> Iterator[str]:
    """Yield each median with its range below, if the column has room for one."""
    for column, text in zip(part.columns, part.cells(row), strict=True):
        if column.short is not None:
            median, _, spread = text.rstrip(")").partition(" (")
            yield f"{median}\n{spread}" if spread and column.range_in_terminal else median


def markdown(comparison: Comparison) -> str:
    """Return the tables as Markdown, with provenance, problems, quirks and tunings; ends with a newline."""
    lines = provenance(comparison)
    for part in parts(comparison):
        lines += ["", _line(column.heading for column in part.columns)]
        lines += [_line("---" if column.short is None else "---:" for column in part.columns)]
        lines += [_line(part.cells(row)) for row in part.rows]
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


def matrices(comparison: Comparison) -> dict[Group, str]:
    """Return the short table of each group for a README, with what it was made by.

    It has a column for each balancer and a row for each scenario, or for each of its settings if there are several.
    If there is a baseline, the sentences that tell the differences follow.
    """
    return {part.group: _matrix(part, comparison) for part in parts(comparison)}


def _matrix(part: Part, comparison: Comparison) -> str:
    short = SHORT[part.group]
    balancers, levels = (
        list(dict.fromkeys(names)) for names in zip(*((row.balancer, row.settings) for row in part.rows), strict=True)
    )
    several = len({*levels} - {OWN}) > 1
    found = {(row.scenario, row.settings, row.balancer): row for row in part.rows}
    heads = [short.heading, *(["settings"] if several else []), *balancers]
    lines = [_line(heads), _line("---" if head not in balancers else "---:" for head in heads)]
    for scenario, settings in dict.fromkeys((row.scenario, row.settings if several else "") for row in part.rows):
        rows = (_found(found, scenario, [settings] if several else levels, balancer) for balancer in balancers)
        lines.append(_line([scenario, *([settings] if several else []), *map(short.cell, rows)]))
    scenarios = {row.scenario for row in part.rows}
    told = [f"- {each.sentence()}" for each in contrasts(comparison) if each.scenario in scenarios]
    legend = f"{' / '.join(word for word, _, _ in short.measures)}{_counted(part.rows)}"
    return "\n".join([*lines, "", *told, *([""] if told else []), f"{legend}  ", *provenance(comparison)]) + "\n"


def _found(rows: Mapping[tuple[str, str, str], Row], scenario: str, levels: Sequence[str], balancer: str) -> Row | None:
    """Return the row of a balancer with any of these settings."""
    return next((rows[key] for level in levels if (key := (scenario, level, balancer)) in rows), None)


def _counted(rows: Sequence[Row]) -> str:
    counts = sorted({row.runs for row in rows if row.runs}) or [0]
    number = "–".join(dict.fromkeys((str(counts[0]), str(counts[-1]))))
    of = "single runs" if number == "1" else f"medians of {number} runs"
    return f"; {of}; – if the host was too busy, or none started"


def provenance(comparison: Comparison) -> list[str]:
    """Return versions, machine, date and commands, with which the comparison can be repeated."""
    versions = ", ".join(f"{name} {number}" for name, number in comparison.versions.items())
    return [
        f"Versions: {versions}  ",
        f"Machine: {comparison.machine}  ",
        f"Date: {comparison.made}, seed {comparison.seed}, load {comparison.mix}, runtime {comparison.runtime}  ",
        *(f"Command: `{command}`  " for command in dict.fromkeys(comparison.commands)),
    ]


@dataclass(frozen=True, slots=True)
class Short:
    """The short table of one group."""

    heading: str
    measures: tuple[tuple[str, str, int], ...]
    """(words for the legend, field of `Measures`, digits) of each number in a cell."""

    def cell(self, row: Row | None) -> str:
        """Return the medians of one row."""
        if row is None or not row.runs:
            return "–"
        return " / ".join(_number(row.spreads[name].median, digits) for _, name, digits in self.measures)


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


SHORT: Final = {
    Group.FAULTS: Short(
        "fault", (("failed", "failed", 0), ("slow", "slow", 0), ("seconds to reroute", "reroute_s", 2))
    ),
    Group.GRAY: Short(
        "gray fault",
        (
            ("failed or slow during the fault", "bad_in_fault", 0),
            ("its share of the responses at the end", "gray_share", 2),
            ("added p99 of good responses, s", "added_p99_s", 2),
        ),
    ),
    Group.DEPLOYS: Short(
        "deploy",
        (
            ("failed", "failed", 0),
            ("streams and WebSockets cut", "cut", 0),
            ("slow", "slow", 0),
            ("jobs executed twice", "duplicated", 0),
            ("seconds until a new backend serves", "serves_s", 2),
        ),
    ),
}


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


def _measured(name: str, digits: int, none: str = "–") -> Callable[[Row], str]:
    """Return the function that formats this field of `Measures`. `none`: what to write if no run has a value."""
    return lambda row: _text(row.spreads[name], digits, none)


def _text(spread: Spread, digits: int, none: str) -> str:
    if spread.low is None:
        return none
    middle = "never" if spread.median is None else f"{spread.median:.{digits}f}"
    low = f"{spread.low:.{digits}f}"
    high = "never" if spread.high is None else f"{spread.high:.{digits}f}"
    return middle if low == high else f"{middle} ({low}–{high})"


def _middle(spread: Spread) -> str:
    return "?" if spread.median is None else f"{spread.median:.0f}"


def _jobs(row: Row) -> str:
    return "/".join(_middle(row.spreads[name]) for name in ("lost", "duplicated", "zombie"))


def _line(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"


COLUMNS: Final = (
    Column("Scenario", lambda row: row.scenario),
    Column("Balancer", lambda row: row.balancer),
    Column("Settings", lambda row: row.settings),
    Column("Failed", _measured("failed", 0), "Fail"),
    Column("of them POST", _measured("failed_posts", 0), "POST"),
    Column("Slow", _measured("slow", 0), "Slow"),
    Column("Cut", _measured("cut", 0), "Cut", groups=(Group.DEPLOYS,)),
    Column("New serves s", _measured("serves_s", 2), "New serves", groups=(Group.DEPLOYS,)),
    Column("Bad in fault", _measured("bad_in_fault", 0), "Bad", groups=(Group.GRAY,)),
    Column("Gray share", _measured("gray_share", 2), "Gray share", groups=(Group.GRAY,)),
    Column("Added p99 s", _measured("added_p99_s", 3), "Added p99", groups=(Group.GRAY,)),
    Column("Reroute s", _measured("reroute_s", 2), "Reroute", groups=(Group.FAULTS,)),
    Column("Back s", _measured("readmit_s", 2, "never"), "Back", groups=(Group.FAULTS,)),
    Column("p99 in fault s", _measured("p99_fault_s", 2), "p99", range_in_terminal=False, groups=(Group.FAULTS,)),
    Column("Lost/dup/zombie", _jobs, "Lost/ dup/ zom."),
    Column("Herd ×", _measured("herd", 1), "Herd", range_in_terminal=False, groups=(Group.FAULTS,)),
    Column("CPU µs", _measured("cpu_us", 0), "CPU µs", range_in_terminal=False),
)
"""All columns, in order. Each is declared only here."""
