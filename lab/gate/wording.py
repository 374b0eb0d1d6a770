"""The result of a gate in words: one paragraph, and a table in Markdown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ..compare.differences import amount, shown
from ..compare.document import Comparison
from ..evidence.verdict import Verdict
from ..output.inert import markdown as cell
from .decision import BUSY_S, Compared, Decision, TooFew, counts

HEADINGS = ("Scenario", "Entry", "Measure", "Baseline", "Now", "Shift", "p", "")


@dataclass(frozen=True, slots=True)
class Told:
    """A decision together with all that its words need."""

    decision: Decision
    made: str
    """When the baseline was made, ISO 8601."""
    count_busy: bool
    comparison: Comparison
    """The runs of the gate."""
    changes: tuple[str, ...] = ()
    """Sentences about what differs from the time of the baseline: file, program, machine."""

    @property
    def _date(self) -> str:
        return self.made[:10]

    def as_document(self) -> dict[str, Any]:
        """Return the content of `gate.json`. Times are in seconds."""
        return {
            "schema": 1,
            "paragraph": self.paragraph(),
            "baseline_made": self.made,
            "made": self.comparison.made,
            "runtime": self.comparison.runtime,
            "changes": list(self.changes),
            **self.decision.as_document(),
        }

    def paragraph(self) -> str:
        """Return why the gate passes, fails or has no answer. One paragraph."""
        worse = [each for each in self.decision.comparisons if each.worse]
        told = [self._worse(name, [*group]) for name, group in groupby(worse, lambda each: each.entry)]
        told += [self._too_few(each) for each in self.decision.too_few]
        if self.decision.verdict is Verdict.PASS:
            told.append(self._passed())
        return " ".join(filter(None, [*told, *self.changes, left_out(self.comparison, self.count_busy)]))

    def _worse(self, entry: str, worse: Sequence[Compared]) -> str:
        parts = [
            f"in {scenario} it {_joined(_predicate(each) for each in group)}"
            for scenario, group in groupby(worse, lambda each: each.scenario)
        ]
        first = worse[0]
        runs = (
            f"{len(first.after)} runs against {len(first.before)}, p is corrected for {self.decision.tests} comparisons"
        )
        return f"{entry} is worse than the baseline of {self._date}: {'; '.join(parts)}. Basis: {runs}."

    def _too_few(self, each: TooFew) -> str:
        runs = "1 run counts" if each.counted == 1 else f"{each.counted} runs count"
        if not each.needed:
            return f"{each.entry} in {each.scenario} cannot be judged: the baseline has too few runs; make a new one."
        return (
            f"{each.entry} in {each.scenario} cannot be judged: {runs}, and {each.needed} are needed; run the gate "
            "again on a quieter machine, or with a larger --repeat."
        )

    def _passed(self) -> str:
        entries = _joined(dict.fromkeys(each.entry for each in self.decision.comparisons))
        scenarios = _joined(dict.fromkeys(each.scenario for each in self.decision.comparisons))
        are = "are" if " and " in entries else "is"
        sizes = [(len(each.after), len(each.before)) for each in self.decision.comparisons]
        runs, stored = map(min, zip(*sizes, strict=True))
        return (
            f"{entries} {are} not significantly worse than the baseline of {self._date} in {scenarios} "
            f"({self.decision.tests} comparisons of {runs} runs with {stored})."
        )

    def in_order(self) -> list[Compared]:
        """Return all comparisons ordered by scenario."""
        return sorted(self.decision.comparisons, key=lambda each: each.scenario)

    def rows(self) -> list[tuple[str, ...]]:
        """Return the texts of each comparison, in the order of `HEADINGS`."""
        return [
            (
                each.scenario,
                each.entry,
                each.measure.heading.removesuffix(" s"),
                _median(each.before, each.measure.unit),
                _median(each.after, each.measure.unit),
                shown(each.shift.median, each.shift.low, each.shift.high, each.measure.unit),
                probability(each.p),
                "worse" if each.worse else "",
            )
            for each in self.in_order()
        ]

    def markdown(self) -> str:
        """Return paragraph and table as GitHub-flavoured Markdown; ends with a newline."""
        lines = [
            f"### Gate: {self.decision.verdict}",
            "",
            cell(self.paragraph()),
            "",
            _line(HEADINGS),
            _line("---" if number < 3 else "---:" for number in range(len(HEADINGS))),
            *(_line(map(cell, row)) for row in self.rows()),
        ]
        return "\n".join(lines) + "\n"


def left_out(comparison: Comparison, count_busy: bool) -> str:
    """Return a sentence about the runs that do not count, or an empty string if all do."""
    without = [each for each in comparison.results if not counts(each, count_busy)]
    if not without:
        return ""
    busy = sum(each.counts for each in without)
    why = [f"in {busy} the host was busy for more than {BUSY_S:g} s"] if busy else []
    why += [f"{each.scenario}: {each.status}: {each.reason}" for each in without if not each.counts][:1]
    many = "1 run does" if len(without) == 1 else f"{len(without)} runs do"
    return f"{many} not count ({'; '.join(why)})."


def probability(p: float) -> str:
    """Return a probability with two significant digits."""
    return "<0.001" if p < 0.001 else f"{p:.2g}" if p < 0.1 else f"{p:.1f}"


def _predicate(each: Compared) -> str:
    found, unit = each.shift, each.measure.unit
    if math.isinf(found.median):
        return f"{each.measure.never or f'has no {each.measure.heading}'} (p = {probability(each.p)})"
    span = (
        "" if found.low is None or found.high is None else f"{amount(found.low, unit)} to {amount(found.high, unit)}, "
    )
    return f"{each.measure.more.format(amount(found.median, unit))} ({span}p = {probability(each.p)})"


def _median(values: Sequence[float], unit: str) -> str:
    middle = statistics.median(values) if not all(map(math.isinf, values)) else math.inf
    return "never" if math.isinf(middle) else f"{middle:.2f} s" if unit else f"{middle:g}"


def _joined(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _line(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"
