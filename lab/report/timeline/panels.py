"""The panels of the timeline, from top to bottom: requests per second, one lane for each backend, latency."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...evidence.history import Request
from ..run_files import NO_BACKEND, OutcomeClass, Run
from ..sentences import milliseconds, seconds
from .bins import Bin, Point, T, binned, thinned
from .frame import RIGHT, Frame, Panel, axis_label, heading, mark, rule, span_label
from .health import HealthSpan, health_spans
from .scale import Linear, Log, decades, round_step
from .svg import dots, element, group, number, polyline, text, ticks, title

STACK = (OutcomeClass.OK, OutcomeClass.SLOW, OutcomeClass.UNKNOWN, OutcomeClass.FAILED)
BAD_ROWS = (OutcomeClass.SLOW, OutcomeClass.UNKNOWN, OutcomeClass.FAILED)
REROUTED = "left"
"""Kind of the mark of a request that was sent to this backend and answered by another."""
STRIP, TICKS, ROW = 16.0, 16.0, 11.0
"""Heights inside a lane: health strip, ticks of good requests, one row for each other kind of mark."""
EXACT_UP_TO = 6000
"""Maximum number of requests that are all drawn. Above it, marks that would cover each other are left out."""


@dataclass(frozen=True, slots=True)
class MarkPosition:
    """Position in pixels and kind of the mark of one request."""

    kind: str
    x: float
    y: float
    request: Request


def all_panels(frame: Frame, run: Run, top: float) -> tuple[list[Panel], float]:
    """Return the panels from top to bottom, and the y of the bottom."""
    bins = binned(run, frame.start, frame.end, frame.bin_s)
    panels = [rate_panel(frame, bins, top)]
    y = top + panels[0].height
    for backend in backends(run):
        panels.append(lane_panel(frame, run, backend, y))
        y += panels[-1].height
    panels.append(latency_panel(frame, run, bins, y))
    return panels, y + panels[-1].height - 14


def backends(run: Run) -> list[str]:
    """Return the lanes: every backend that a request or a fault names, and `NO_BACKEND` if a request has none."""
    named = {run.lane(r) for r in run.requests} | {name for r in run.requests for name in run.also_tried(r)}
    named |= {fault.target for fault in run.faults}
    known = sorted(name for name in named if name != NO_BACKEND)
    return [*known, NO_BACKEND] if NO_BACKEND in named else known


def rate_panel(frame: Frame, bins: Sequence[Bin], top: float, height: float = 76.0) -> Panel:
    """Return the requests per second by outcome, as stacked bars."""
    peak = max([1.0, *(each.total / each.width for each in bins)])
    step = round_step(peak / 3)
    y = Linear(0.0, max(peak, step), top + height, top + 8)
    values = [step * i for i in range(int(peak / step + 1e-9) + 1)]
    fixed = heading("Requests", top + 16, "per second") + "".join(
        rule(y(value)) + axis_label(f"{value:g}", y(value)) for value in values
    )
    return Panel(height + 16, fixed=fixed, stretched="".join(_bars(frame, bins, y, outcome) for outcome in STACK))


def _bars(frame: Frame, bins: Sequence[Bin], y: Linear, outcome: OutcomeClass) -> str:
    below = STACK[: STACK.index(outcome)]
    path = ""
    for each in (b for b in bins if b.counts[outcome]):
        base = sum(each.counts[under] for under in below) / each.width
        low, high = y(base), y(base + each.counts[outcome] / each.width)
        left, right = frame.x(each.start), min(frame.x(each.start + each.width), RIGHT)
        path += f"M{number(left)} {number(low)}H{number(right - 0.6)}V{number(high)}H{number(left)}z"
    return element("path", d=path, class_=f"bar {outcome}") if path else ""


def lane_panel(frame: Frame, run: Run, backend: str, top: float) -> Panel:
    """Return the lane of a backend: its state as a strip above its requests, with a row for each kind of mark."""
    here = [r for r in run.requests if run.lane(r) == backend]
    rerouted = [r for r in run.requests if backend != NO_BACKEND and backend in run.also_tried(r)]
    spans = health_spans(run, backend, run.end) if backend != NO_BACKEND else []
    rows = rows_needed(run, here, rerouted)
    row_y = {row: top + STRIP + TICKS + 12 + ROW * i for i, row in enumerate(rows)}
    positions = [MarkPosition(REROUTED, frame.x(r.due), row_y[REROUTED], r) for r in rerouted]
    positions += [
        MarkPosition(outcome, frame.x(r.due), row_y[outcome], r)
        for r in here
        if (outcome := run.classify(r)) is not OutcomeClass.OK
    ]
    good = [(frame.x(r.due), top + STRIP + 4) for r in here if run.classify(r) is OutcomeClass.OK]
    strokes = ticks(_thin(run, good, _itself), TICKS)
    return Panel(
        STRIP + TICKS + 14 + ROW * len(rows),
        fixed=heading(backend or "no backend", top + 12, "" if backend else "known") + rule(top - 4, "divide"),
        stretched=group(_strip(frame, s, top) for s in spans) + element("path", d=strokes, class_="tick-ok"),
        placed="".join(_strip_label(frame, s, top) for s in spans) + _marks(run, positions, "lane"),
    )


def _strip(frame: Frame, span: HealthSpan, top: float) -> str:
    left, right = frame.x(max(span.start, frame.start)), frame.x(min(span.end, frame.end))
    if right <= left:
        return ""
    why = f": {span.reason}" if span.reason else ""
    tip = f"{span.state} from {seconds(span.start)} to {seconds(span.end)}{why}"
    shape = {"x": left, "y": top, "width": max(right - left, 1.0), "height": STRIP - 4}
    return element("rect", title(tip), **shape, class_=f"state {span.state.replace(' ', '-')}")


def _strip_label(frame: Frame, span: HealthSpan, top: float) -> str:
    left, right = frame.x(max(span.start, frame.start)), frame.x(min(span.end, frame.end))
    return span_label(span.state, left, right, top + 9.5, f"state-label {span.state.replace(' ', '-')}")


def latency_panel(frame: Frame, run: Run, bins: Sequence[Bin], top: float, height: float = 190.0) -> Panel:
    """Return the latencies on a log axis: a dot for each request, in front of a band from median to 99th percentile."""
    low, high = decades([run.slow_s, *(r.latency for r in run.requests if r.latency)], 1e-4, 100.0)
    y = Log(low, high, top + height, top + 10)
    fixed = heading("Latency", top + 16, "log scale") + "".join(
        rule(y(value)) + axis_label(_decade(value), y(value)) for value in y.ticks()
    )
    good = [(frame.x(r.due), y(r.latency)) for r in run.requests if run.classify(r) is OutcomeClass.OK and r.latency]
    bad = [
        MarkPosition(outcome, frame.x(r.due), y(r.latency or high), r)
        for r in run.requests
        if (outcome := run.classify(r)) is not OutcomeClass.OK
    ]
    path = element("path", d=dots(_thin(run, good, _itself)), class_="dot-ok")
    stretched = _band(frame, bins, y) + path + _median(frame, bins, y)
    return Panel(height + 14, fixed + _threshold(run, y), stretched, _marks(run, bad))


def _band(frame: Frame, bins: Sequence[Bin], y: Log) -> str:
    """Return one block for each bin, so that a bin without answers is a visible gap."""
    path = ""
    for each in (b for b in bins if b.latencies):
        left, right = frame.x(each.start), min(frame.x(each.start + each.width), RIGHT)
        top, bottom = y(each.percentile(0.99)), y(each.percentile(0.5))
        path += f"M{number(left)} {number(bottom)}H{number(right)}V{number(top)}H{number(left)}z"
    return element("path", d=path, class_="band") if path else ""


def _median(frame: Frame, bins: Sequence[Bin], y: Log) -> str:
    points = [(frame.x(b.start + b.width / 2), y(b.percentile(0.5))) for b in bins if b.latencies]
    return element("path", d=polyline(points), class_="median") if points else ""


def _threshold(run: Run, y: Log) -> str:
    at = y(run.slow_s)
    label = f"slow from {milliseconds(run.slow_s)}"
    return rule(at, "threshold") + element("text", text(label), x=RIGHT - 4, y=at - 4, class_="tick end halo")


def _decade(value: float) -> str:
    return f"{value:g} s" if value >= 1 else f"{value * 1e3:g} ms"


def _marks(run: Run, positions: Sequence[MarkPosition], class_: str = "") -> str:
    shown = _thin(run, positions, lambda position: (position.x, position.y))
    return group((mark(p.kind, p.x, p.y, tip(run, p.request), class_) for p in shown), class_="marks")


def _thin(run: Run, items: Sequence[T], place: Callable[[T], Point]) -> Sequence[T]:
    """Thin out the items of a long run. All lanes are thinned in the same way, so that they can be compared."""
    return items if len(run.requests) <= EXACT_UP_TO else thinned(items, place, 1.0)


def _itself(point: Point) -> Point:
    return point


def rows_needed(run: Run, here: Sequence[Request], rerouted: Sequence[Request]) -> list[str]:
    """Return the kinds of marks that a lane with these requests needs, besides ticks of good requests."""
    outcomes = {run.classify(r) for r in here}
    return ([REROUTED] if rerouted else []) + [outcome.value for outcome in BAD_ROWS if outcome in outcomes]


def tip(run: Run, request: Request) -> str:
    """Return one line about a request, which is shown on hover and read by screen readers."""
    answer = f"status {request.status}" if request.status else request.error or "no answer"
    via = f", tried {' → '.join(run.names.get(b, b) for b in request.tried)}" if request.tried else ""
    latency = milliseconds(request.latency, "no outcome")
    return f"{run.classify(request)}: {request.method} #{request.id} at {request.due:.3f} s, {latency}, {answer}{via}"
