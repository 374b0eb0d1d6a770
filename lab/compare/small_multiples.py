"""Draws one run as a small chart: outcomes per tenth of a second, on axes that all panels share."""

from __future__ import annotations

from collections import Counter
from typing import Final

from ..evidence.history import Outcome, Request
from ..evidence.record import RunRecord
from ..report.timeline.svg import element, number, text, title
from .measures import Measures

BIN_S: Final = 0.1
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 300.0, 118.0, 26.0, 18.0, 8.0
KINDS: Final = ("ok", "slow", "failed")


def kind(request: Request, slow_s: float) -> str:
    """Return how the request ended for its client: one of `KINDS`."""
    if request.outcome is not Outcome.OK:
        return "failed"
    return "slow" if request.is_slow(slow_s) else "ok"


def panel(run: RunRecord, measures: Measures, label: str, until: float, highest: float) -> str:
    """Return an `<svg>`. `until` (seconds after the first fault) and `highest` (requests per bin) are common to all."""
    begin = _begin(run)
    since = -1.0
    bins: dict[int, Counter[str]] = {}
    for request in run.measured:
        if since <= request.due - begin < until:
            index = int((request.due - begin - since) / BIN_S)
            bins.setdefault(index, Counter())[kind(request, run.plan.load.slow_s)] += 1

    def x(t: float) -> float:
        return LEFT + (t - since) / (until - since) * (WIDTH - LEFT - 4)

    floor = HEIGHT - BOTTOM
    width, a_request = x(BIN_S) - x(0.0) - 0.4, (floor - TOP) / (1.15 * highest)
    parts = [title(f"{label}: {measures.failed} failed, {measures.slow} slow")]
    for fault in run.faults:
        since_t, end_t = (each - begin for each in fault.window)
        left, right = x(min(since_t, until)), x(min(end_t, until))
        parts.append(element("rect", x=left, y=TOP, width=right - left, height=floor - TOP, class_="fault"))
    parts += [_bar(bins[index], x(since + index * BIN_S), width, a_request) for index in sorted(bins)]
    if measures.reroute_s and len(run.faults) == 1:
        at = x(min(measures.reroute_s, until))
        parts.append(element("path", d=f"M{number(at)} {number(TOP)}V{number(floor)}", class_="rerouted"))
    parts.append(element("path", d=f"M{number(LEFT)} {number(floor)}H{number(WIDTH - 4)}", class_="axis"))
    for second in range(int(until) + 1):
        parts.append(element("text", text(str(second)), x=x(second), y=HEIGHT - 4, class_="tick middle"))
    parts.append(
        element("text", text(number(highest)), x=LEFT - 4, y=floor - highest * a_request + 4, class_="tick end")
    )
    return element("svg", *parts, viewBox=f"0 0 {number(WIDTH)} {number(HEIGHT)}", class_="multiple", role="img")


def span(runs: list[RunRecord]) -> tuple[float, float]:
    """Return the shared axes: seconds after the first fault, and requests per bin."""
    ends = [fault.healed_at - _begin(run) for run in runs for fault in run.faults if fault.healed_at is not None]
    highest = max((run.plan.load.rate * BIN_S for run in runs), default=1.0)
    return max(ends, default=3.0) + 1.5, highest


def _bar(counts: Counter[str], left: float, width: float, a_request: float) -> str:
    parts, y = [], HEIGHT - BOTTOM
    for each in reversed(KINDS):  # bad outcomes are drawn at the axis, where they can be compared
        if tall := counts[each] * a_request:
            y -= tall
            parts.append(element("rect", x=left, y=y, width=width, height=tall, class_=f"bar {each}"))
    return "".join(parts)


def _begin(run: RunRecord) -> float:
    return min((f.injected_at for f in run.faults if f.injected_at is not None), default=run.plan.faults_start_s)
