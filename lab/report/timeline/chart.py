"""The timeline of a run on one time axis, as SVG. It is complete without a script; a script adds zoom and details."""

from __future__ import annotations

from ...evidence.verdict import FaultResult
from ..host_disturbance import host_stalls
from ..run_files import OutcomeClass, Run
from ..sentences import seconds
from .bins import Bin, binned
from .frame import LEFT, RIGHT, WIDTH, Frame, rule, span_label, width_of
from .moments import Moment, moments, place_labels
from .panels import all_panels
from .svg import element, group, number, text, title

LABEL_ROW, BAND_LABEL = 17.0, 18.0
_SHAPES = {
    "slow": "M0-4.4L4.4 3.2H-4.4z",
    "failed": "M-3.4-3.4L3.4 3.4M3.4-3.4L-3.4 3.4",
    "unknown": "M0-4.4L4.4 0L0 4.4L-4.4 0z",
    "left": "M-3.2 0a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0-6.4 0z",
}
"""A shape for each class of request, so that the classes differ not only by colour."""


def timeline(run: Run) -> str:
    """Return the whole chart as one `<svg>`."""
    frame = _frame(run)
    marks = place_labels(moments(run), lambda moment: frame.x(moment.t), width_of)
    top = LABEL_ROW * (1 + max((m.row for m in marks), default=-1)) + 8
    panels, bottom = all_panels(frame, run, top + BAND_LABEL)
    axis = bottom + 4
    stalls = host_stalls(run.events).spans
    tints = group(_stall(frame, span, top, axis) for span in stalls)
    stretched = [_warm_up(frame, run, top, axis), tints, _bands(frame, run, top, axis), *(p.stretched for p in panels)]
    placed = [
        *(_moment(frame, m, top, axis) for m in marks),
        _warm_up_label(frame, run, top),
        *(_band_label(frame, fault, top) for fault in run.faults),
        *(span_label("host busy", frame.x(since), frame.x(until), axis - 4, "stall-label") for since, until in stalls),
        *(p.placed for p in panels),
    ]
    return element(
        "svg",
        element("title", text(f"Timeline of {run.scenario}: requests, health and latency over {seconds(run.end)}")),
        _definitions(axis),
        *(p.fixed for p in panels),
        group([element("g", *stretched, class_="stretched")], clip_path="url(#plot)"),
        group([*placed, _ticks(frame, axis)], clip_path="url(#wide)"),
        rule(axis, "axis"),
        element("text", "seconds since the run started", x=RIGHT, y=axis + 34, class_="unit end"),
        viewBox=f"0 0 {number(WIDTH)} {number(axis + 40)}",
        class_="timeline",
        role="img",
        data_left=LEFT,
        data_right=RIGHT,
        data_start=f"{frame.start:.6f}",
        data_end=f"{frame.end:.6f}",
        data_axis=axis,
    )


def readout(run: Run) -> dict[str, object]:
    """Return the data that the script shows at the pointer: the bins of the chart, with latencies in milliseconds."""
    frame = _frame(run)
    bins = binned(run, frame.start, frame.end, frame.bin_s)
    return {"start": frame.start, "width": frame.bin_s, "rows": [_readout(each) for each in bins]}


def _readout(each: Bin) -> dict[str, object]:
    p50, p99 = (round(each.percentile(p) * 1e3, 1) if each.latencies else None for p in (0.5, 0.99))
    counts = {outcome.value: each.counts[outcome] for outcome in OutcomeClass}
    return {"total": each.total, **counts, "p50_ms": p50, "p99_ms": p99}


def _frame(run: Run) -> Frame:
    """Return the time axis: to the end of the run, or further if the label of the last mark needs space."""
    room = (m.t / (1 - width_of(m.label) / (RIGHT - LEFT)) for m in moments(run))
    return Frame(0.0, max([run.end, *room]))


def _definitions(axis: float) -> str:
    shapes = (element("path", id=f"mark-{name}", d=d) for name, d in _SHAPES.items())
    clips = (("plot", LEFT, RIGHT - LEFT), ("wide", LEFT - 8, RIGHT - LEFT + 20))
    boxes = (
        element("clipPath", element("rect", x=x, y=0, width=width, height=axis + 40), id=name)
        for name, x, width in clips
    )
    return element("defs", *shapes, *boxes)


def _warm_up(frame: Frame, run: Run, top: float, axis: float) -> str:
    width = frame.x(run.warm_up_s) - LEFT
    return element("rect", x=LEFT, y=top, width=width, height=axis - top, class_="warm-up") if width > 0 else ""


def _stall(frame: Frame, span: tuple[float, float], top: float, axis: float) -> str:
    since, until = span
    tip = title(f"the host was busy, {seconds(since)} to {seconds(until)}")
    width = max(frame.x(until) - frame.x(since), 1.0)
    return element("rect", tip, x=frame.x(since), y=top, width=width, height=axis - top, class_="stall")


def _warm_up_label(frame: Frame, run: Run, top: float) -> str:
    right = frame.x(run.warm_up_s)
    return span_label("warm-up", LEFT, right, top + 13, "warm-up-label") if right > LEFT else ""


def _bands(frame: Frame, run: Run, top: float, axis: float) -> str:
    return group(_band(frame, fault, top, axis) for fault in run.faults if fault.injected_at is not None)


def _band(frame: Frame, fault: FaultResult, top: float, axis: float) -> str:
    left, right = _span(frame, fault)
    tip = f"{fault.kind} on {fault.target}, {fault.mechanism}"
    return element("rect", title(tip), x=left, y=top, width=right - left, height=axis - top, class_="fault")


def _band_label(frame: Frame, fault: FaultResult, top: float) -> str:
    if fault.injected_at is None:
        return ""
    lasted = "" if fault.healed_at is None else f" · {fault.healed_at - fault.injected_at:.1f} s"
    return span_label(f"{fault.kind} on {fault.target}{lasted}", *_span(frame, fault), top + 13, "fault-label")


def _span(frame: Frame, fault: FaultResult) -> tuple[float, float]:
    start = fault.injected_at or 0.0
    return frame.x(start), frame.x(frame.end if fault.healed_at is None else fault.healed_at)


def _moment(frame: Frame, moment: Moment, top: float, axis: float) -> str:
    x = frame.x(moment.t)
    y = top - 6 - LABEL_ROW * moment.row
    line = element("line", x1=x, x2=x, y1=y - 9, y2=axis)
    label = element("text", text(moment.label), x=x + 4, y=y, data_width=width_of(moment.label))
    return element("g", line, label, class_=f"moment {moment.kind}")


def _ticks(frame: Frame, axis: float) -> str:
    """Return the ticks of the time axis, which the script redraws on zoom."""
    labels = (
        element("line", x1=frame.x(t), x2=frame.x(t), y1=axis, y2=axis + 5, class_="axis")
        + element("text", text(f"{t:g}"), x=frame.x(t), y=axis + 18, class_="tick middle")
        for t in frame.x.ticks(14)
    )
    return group(labels, class_="ticks")
