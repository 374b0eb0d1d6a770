"""The panels of the timeline, top to bottom: requests per second, one lane per backend, latency."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...evidence.history import Request
from ..run_files import NO_BACKEND, Look, Run
from ..sentences import milliseconds, seconds
from .bins import Bin, Point, T, thinned
from .frame import RIGHT, Frame, Panel, axis_label, heading, mark, rule, span_label
from .health import Standing, standings
from .scale import Linear, Log, decades, round_step
from .svg import dots, element, group, number, polyline, text, ticks, title

STACK = (Look.OK, Look.SLOW, Look.UNKNOWN, Look.FAILED)
BAD_ROWS = (Look.SLOW, Look.UNKNOWN, Look.FAILED)
LEFT_BEHIND = "left"
"""The mark of a request that was sent here and answered elsewhere."""
STRIP, TICKS, ROW = 16.0, 16.0, 11.0
"""Heights inside a lane: health strip, ticks of good requests, one row per kind of other mark."""
EXACT_UP_TO = 6000
"""In a run of up to so many requests each is drawn; in a longer one, those that would cover each other are left out."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a request is drawn as a mark of its own (pixels), and as what."""

    look: str
    x: float
    y: float
    request: Request


def rate_panel(frame: Frame, bins: Sequence[Bin], top: float, height: float = 76.0) -> Panel:
    """Requests per second by outcome, stacked: the dip and the recovery at a glance."""
    peak = max([1.0, *(each.total / each.width for each in bins)])
    step = round_step(peak / 3)
    y = Linear(0.0, max(peak, step), top + height, top + 8)
    values = [step * i for i in range(int(peak / step + 1e-9) + 1)]
    fixed = heading("Requests", top + 16, "per second") + "".join(
        rule(y(value)) + axis_label(f"{value:g}", y(value)) for value in values
    )
    return Panel(height + 16, fixed=fixed, stretched="".join(_bars(frame, bins, y, look) for look in STACK))


def _bars(frame: Frame, bins: Sequence[Bin], y: Linear, look: Look) -> str:
    below = STACK[: STACK.index(look)]
    path = ""
    for each in (b for b in bins if b.counts[look]):
        base = sum(each.counts[under] for under in below) / each.width
        low, high = y(base), y(base + each.counts[look] / each.width)
        left, right = frame.x(each.start), min(frame.x(each.start + each.width), RIGHT)
        path += f"M{number(left)} {number(low)}H{number(right - 0.6)}V{number(high)}H{number(left)}z"
    return element("path", d=path, class_=f"bar {look}") if path else ""


def lane_panel(frame: Frame, run: Run, backend: str, top: float) -> Panel:
    """One backend: its standing as a strip, below it its requests, a row for each kind of mark that it has."""
    here = [r for r in run.requests if run.lane(r) == backend]
    left = [r for r in run.requests if backend != NO_BACKEND and backend in run.left_behind(r)]
    held = standings(run, backend, run.end) if backend != NO_BACKEND else []
    rows = rows_needed(run, here, left)
    row_y = {row: top + STRIP + TICKS + 12 + ROW * i for i, row in enumerate(rows)}
    spots = [Spot(LEFT_BEHIND, frame.x(r.due), row_y[LEFT_BEHIND], r) for r in left]
    spots += [Spot(look, frame.x(r.due), row_y[look], r) for r in here if (look := run.look(r)) is not Look.OK]
    good = [(frame.x(r.due), top + STRIP + 4) for r in here if run.look(r) is Look.OK]
    strokes = ticks(_thin(run, good, _itself), TICKS)
    return Panel(
        STRIP + TICKS + 14 + ROW * len(rows),
        fixed=heading(backend or "no backend", top + 12, "" if backend else "known") + rule(top - 4, "divide"),
        stretched=group(_strip(frame, s, top) for s in held) + element("path", d=strokes, class_="tick-ok"),
        placed="".join(_strip_label(frame, s, top) for s in held) + _marks(run, spots, "lane"),
    )


def _strip(frame: Frame, held: Standing, top: float) -> str:
    left, right = frame.x(max(held.start, frame.start)), frame.x(min(held.end, frame.end))
    if right <= left:
        return ""
    why = f": {held.reason}" if held.reason else ""
    told = f"{held.state} from {seconds(held.start)} to {seconds(held.end)}{why}"
    shape = {"x": left, "y": top, "width": max(right - left, 1.0), "height": STRIP - 4}
    return element("rect", title(told), **shape, class_=f"state {held.state.replace(' ', '-')}")


def _strip_label(frame: Frame, held: Standing, top: float) -> str:
    left, right = frame.x(max(held.start, frame.start)), frame.x(min(held.end, frame.end))
    return span_label(held.state, left, right, top + 9.5, f"state-label {held.state.replace(' ', '-')}")


def latency_panel(frame: Frame, run: Run, bins: Sequence[Bin], top: float, height: float = 190.0) -> Panel:
    """Time to answer on a log axis: every request a dot, the band from median to 99th percentile behind them."""
    low, high = decades([run.slow_s, *(r.latency for r in run.requests if r.latency)], 1e-4, 100.0)
    y = Log(low, high, top + height, top + 10)
    fixed = heading("Latency", top + 16, "log scale") + "".join(
        rule(y(value)) + axis_label(_decade(value), y(value)) for value in y.ticks()
    )
    good = [(frame.x(r.due), y(r.latency)) for r in run.requests if run.look(r) is Look.OK and r.latency]
    bad = [
        Spot(look, frame.x(r.due), y(r.latency or high), r)
        for r in run.requests
        if (look := run.look(r)) is not Look.OK
    ]
    path = element("path", d=dots(_thin(run, good, _itself)), class_="dot-ok")
    stretched = _band(frame, bins, y) + path + _median(frame, bins, y)
    return Panel(height + 14, fixed + _threshold(run, y), stretched, _marks(run, bad))


def _band(frame: Frame, bins: Sequence[Bin], y: Log) -> str:
    """One block per bin, so that a bin without an answer is a hole and not an invented slope."""
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


def _marks(run: Run, spots: Sequence[Spot], class_: str = "") -> str:
    shown = _thin(run, spots, lambda spot: (spot.x, spot.y))
    return group((mark(s.look, s.x, s.y, tip(run, s.request), class_) for s in shown), class_="marks")


def _thin(run: Run, items: Sequence[T], place: Callable[[T], Point]) -> Sequence[T]:
    """By the size of the run, not of the lane: lanes must stay comparable by eye."""
    return items if len(run.requests) <= EXACT_UP_TO else thinned(items, place, 1.0)


def _itself(point: Point) -> Point:
    return point


def rows_needed(run: Run, here: Sequence[Request], left: Sequence[Request]) -> list[str]:
    """The kinds of marks, besides the good ticks, among the requests of a lane and those that left it."""
    looks = {run.look(r) for r in here}
    return ([LEFT_BEHIND] if left else []) + [look.value for look in BAD_ROWS if look in looks]


def tip(run: Run, request: Request) -> str:
    """One request in a line, for hovering and for a screen reader."""
    answer = f"status {request.status}" if request.status else request.error or "no answer"
    via = f", tried {' → '.join(run.names.get(b, b) for b in request.tried)}" if request.tried else ""
    latency = milliseconds(request.latency, "no outcome")
    return f"{run.look(request)}: {request.method} #{request.id} at {request.due:.3f} s, {latency}, {answer}{via}"
