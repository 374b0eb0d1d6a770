"""Bar chart of one load: CPU per request, median and range, one row for each balancer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...report.timeline import svg
from ...report.timeline.scale import Linear
from . import formatting
from .result import Row

WIDTH, ROW, NAMES, TOP, FOOT = 640.0, 26.0, 84.0, 8.0, 34.0
RIGHT = WIDTH - 150.0
"""Right end of the axis, which leaves room for the number after the longest bar."""
OURS = "reroute"


def bars(rows: Sequence[Row]) -> str:
    """Return the chart as SVG. `lab.report.timeline.svg` escapes every text in it."""
    scale = Linear(0.0, max(row.cpu_us_max for row in rows), NAMES, RIGHT)
    bottom = TOP + ROW * len(rows)
    parts = [
        svg.title("CPU microseconds a request"),
        *_axis(scale, bottom),
        *(part for index, row in enumerate(rows) for part in _bar(row, scale, TOP + ROW * (index + 0.5))),
    ]
    box = f"0 0 {svg.number(WIDTH)} {svg.number(bottom + FOOT)}"
    return svg.element("svg", *parts, viewBox=box, class_="plot", role="img", aria_label="CPU microseconds a request")


def _axis(scale: Linear, bottom: float) -> Iterable[str]:
    for value in scale.ticks(6):
        x = scale(value)
        yield svg.element("path", d=f"M{svg.number(x)} {svg.number(TOP)}V{svg.number(bottom)}", class_="gridline")
        yield svg.element("text", svg.text(svg.number(value)), x=x, y=bottom + 14, class_="tick middle")
    yield svg.element("text", svg.text("µs of CPU a request"), x=NAMES, y=bottom + 29, class_="tick")


def _bar(row: Row, scale: Linear, middle: float) -> Iterable[str]:
    ours = " ours" if row.contender == OURS else ""
    yield svg.element("text", svg.text(row.contender), x=NAMES - 8, y=middle + 4, class_=f"contender end{ours}")
    yield svg.element(
        "rect", x=NAMES, y=middle - 8, width=scale(row.cpu_us) - NAMES, height=16, rx=2, class_=f"cost{ours}"
    )
    low, high = scale(row.cpu_us_min), scale(row.cpu_us_max)
    yield svg.element("path", d=f"M{svg.number(low)} {svg.number(middle)}H{svg.number(high)}", class_="spread")
    label = f"{row.cpu_us:.1f}" + (f"  ({formatting.ratio(row)})" if row.ratio is not None else "")
    yield svg.element("text", svg.text(label), x=high + 8, y=middle + 4, class_="value")
