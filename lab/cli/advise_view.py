"""Advice on a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..advise.advice import Advice
from ..advise.findings import Finding, Severity
from ..advise.formats import seconds, where
from ..advise.prediction import Prediction
from ..output.terminal import Terminal

_COLOURS: Final = {Severity.DANGER: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


def show(advice: Advice, console: Terminal) -> None:
    """Print predictions, the sums behind them, and findings."""
    situation = advice.situation
    console.print(
        f"{advice.program}: {advice.pool.name} ({advice.pool.place}), {situation.servers} servers; one of them fails "
        f"for {situation.outage_s:g} s at {situation.rate_per_s:g} requests/s"
    )
    console.print()
    console.print(_predictions(advice.predictions))
    console.print()
    for line in _remarks(advice.predictions):
        console.print(Text(line))
    console.print()
    for each in advice.findings:
        _finding(each, console)
    if not advice.findings:
        console.print("nothing dangerous was found")
    console.print("\nAdds up to, in the worst case:")
    console.print(_indented(_sums(advice.predictions), 2))
    console.print()
    console.print(_indented(_symbols(advice), 2))


def _indented(what: Table | Text, by: int) -> Padding:
    return Padding(what, (0, 0, 0, by), expand=False)


def _predictions(predictions: Sequence[Prediction]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("fault", "noticed within", "on average", "failed", "slow", "waits up to", "back within"):
        table.add_column(name, justify="left" if name == "fault" else "right", no_wrap=True)
    for each in predictions:
        risk = each.risk
        table.add_row(
            each.fault,
            seconds(each.notice.worst),
            seconds(each.notice.expected),
            str(risk.get_failed + risk.post_failed),
            str(risk.get_slow + risk.post_slow),
            seconds(each.longest_wait),
            seconds(each.back.worst),
        )
    return table


def _remarks(predictions: Sequence[Prediction]) -> list[str]:
    """Return how each fault is noticed and how its requests end; one line for all faults with the same text."""
    lines: dict[str, list[str]] = {}
    for each in predictions:
        by = f"noticed by {each.notice.by}" if each.notice.worst else f"never noticed: {each.notice.by}"
        posts = each.post.why if each.post.why != each.get.why else ""
        ends = f"GETs: {each.get.why}; POSTs: {posts}" if posts else f"all requests: {each.get.why}"
        lines.setdefault("; ".join([by, ends, *each.notes]), []).append(each.fault)
    return [f"{', '.join(faults)}: {text}" for text, faults in lines.items()]


def _sums(predictions: Sequence[Prediction]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for what in ("noticed", "wait", "back"):
        formulae: dict[str, list[str]] = {}
        for each in predictions:
            one = {"noticed": each.notice.worst, "wait": each.longest_wait, "back": each.back.worst}[what]
            if one is not None and one.terms:
                formulae.setdefault(f"{one.formula} = {seconds(one)}", []).append(each.fault)
        for formula, faults in formulae.items():
            table.add_row(what, formula, ", ".join(faults))
    return table


def _symbols(advice: Advice) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for _ in range(2):
        table.add_column()
    table.add_column(overflow="fold")
    for each in advice.inputs:
        table.add_row(each.symbol, f"{each.value:.4g}", f"{each.meaning}: {each.source}")
    return table


def _finding(finding: Finding, console: Terminal) -> None:
    head = Text(f"{finding.severity} ", style=_COLOURS[finding.severity])
    head.append(f"{where(finding.place)}  {finding.title}", style="bold")
    console.print(head)
    console.print(_indented(Text(finding.happens), 4))
    if finding.suggestion:
        console.print(_indented(Text(f"write: {finding.suggestion}"), 4))
    console.print(_indented(Text(finding.docs, style="dim", overflow="fold"), 4))
