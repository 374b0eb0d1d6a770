"""A tuning on a terminal of 80 columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from ..advise.findings import Finding, Severity
from ..output.terminal import Terminal
from ..tune.goal import LIMITS, MEASURES, Goal, check_rate, shown_rate
from ..tune.tuner import Missed, Tuning, Version


def show(tuning: Tuning, console: Terminal) -> None:
    """Print what changes, and what that does to every kind of fault."""
    pool = tuning.before.pool
    console.print(f"{tuning.request.program}: {pool.name} ({pool.place}), {len(pool.servers)} servers")
    for line in _verdict(tuning):
        console.print(Text(line), soft_wrap=True)
    console.print()
    console.print(_predictions(tuning))
    for line in _facts(tuning):
        console.print(Text(line), soft_wrap=True)


def _verdict(tuning: Tuning) -> Iterator[str]:
    if tuning.met and not tuning.changes:
        yield "every goal is met already; nothing needs to change"
        return
    if tuning.met:
        yield f"every goal is met with {_counted(len(tuning.changes))}:"
    elif tuning.changes:
        yield f"not every goal can be met; the best is reached with {_counted(len(tuning.changes))}:"
    else:
        yield "not every goal can be met, and no change helps:"
    for each in tuning.changes:
        yield f"  {each}"
        if each.tunable.remark:
            yield f"    {each.tunable.remark}"
    yield from _missed(tuning.missed)
    yield from (f"limit not kept: {each}" for each in tuning.broken)


def _missed(missed: Sequence[Missed]) -> Iterator[str]:
    """Yield each missed goal, and the reasons once for all goals that have the same."""
    told: set[str] = set()
    for why in dict.fromkeys(each.why for each in missed):
        for each in missed:
            if each.why == why:
                shown = each.goal.measure.shown
                by = each.value - each.goal.bound
                more = f", {shown(by)} more than {shown(each.goal.bound)}" if by < math.inf else ""
                yield f"missed: {each.fault}: {each.goal.measure.name} {shown(each.value)}{more}"
        yield from (f"    {line}" for line in why if line not in told)
        told |= set(why)


def _counted(changes: int) -> str:
    return "1 change" if changes == 1 else f"{changes} changes"


def _predictions(tuning: Tuning) -> Table:
    """Return the table of all measures; those of a goal have a mark: + met, ! missed."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("predicted", no_wrap=True)
    for name in MEASURES:
        table.add_column(name, justify="right", no_wrap=True)
    pairs = zip(tuning.before.advice.predictions, tuning.after.advice.predictions, strict=True)
    for old, new in pairs:
        cells = []
        for measure in MEASURES.values():
            before, after = measure.shown(measure.read(old)), measure.shown(measure.read(new))
            goals = [one for one in tuning.request.goals if one.measure is measure and new.fault in one.faults]
            cell = before if before == after else f"{before}\n→ {after}"
            cells.append(f"{cell}{_mark(goals, measure.read(new))}")
        table.add_row(new.fault, *cells)
    return table


def _mark(goals: list[Goal], value: float) -> str:
    if not goals:
        return ""
    return " ✓" if all(value <= each.bound + 1e-9 for each in goals) else " ✗"


def _facts(tuning: Tuning) -> Iterator[str]:
    before, after = tuning.before, tuning.after
    yield f"health checks of one server: {_both(shown_rate(_rate(before)), shown_rate(_rate(after)))}"
    for limit in tuning.request.limits:
        limited = LIMITS[limit.name]
        values = [limited.shown(limit.of(one.pool.settings, one.advice.predictions)) for one in (before, after)]
        yield f"limit {limit.text}: {_both(*values)}"
    yield f"no time-out of a response is set below {tuning.bounds.slowest_response_s:g} s (--slowest-response)"
    longest_s = tuning.bounds.longest_ejection_s
    yield f"live traffic takes no server out for longer than {longest_s:g} s (--longest-ejection)"
    known = before.rules
    for each in _findings(after):
        new = "as before" if (each.rule, each.severity) in known else "new"
        yield f"{new}: {each.severity} {each.place or 'default'}: {each.title}: {each.happens}"
    if tuning.others:
        yield f"the changes also affect: {', '.join(tuning.others)}"
    yield from (f"left out: {each}" for each in tuning.left_out)
    if tuning.checked:
        yield tuning.checked


def _findings(version: Version) -> list[Finding]:
    return [each for each in version.advice.findings if each.severity is not Severity.NOTE]


def _rate(version: Version) -> float:
    return check_rate(version.pool.settings)


def _both(before: str, after: str) -> str:
    return before if before == after else f"{before} → {after}"
