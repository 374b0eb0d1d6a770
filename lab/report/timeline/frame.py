"""Layout of the chart: pixel positions, the time axis, and SVG elements that all panels use."""

from __future__ import annotations

from dataclasses import dataclass

from .scale import Linear, round_step
from .svg import element, text

WIDTH = 1200.0
LEFT, RIGHT = 116.0, 1180.0
"""Edges of the plot; names and units are left of it."""
CHARACTER = 6.2
"""Estimated width of a character in the chart's 11 px labels, in pixels: slightly too wide, so that labels fit."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The time axis of all panels: `start`…`end` seconds on the pixels `LEFT`…`RIGHT`."""

    start: float
    end: float

    @property
    def x(self) -> Linear:
        """Scale from seconds to pixels."""
        return Linear(self.start, self.end, LEFT, RIGHT)

    @property
    def bin_s(self) -> float:
        """Width of a bin in seconds: a round number that gives about a hundred bins."""
        return round_step((self.end - self.start) / 120)


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel of the chart as SVG, in three parts that zoom differently."""

    height: float
    fixed: str = ""
    """The part that does not change on zoom."""
    stretched: str = ""
    """The part that is stretched along the time axis."""
    placed: str = ""
    """The part that moves along the time axis and keeps its shape."""


def width_of(label: str) -> float:
    """Return the estimated width of a label in pixels."""
    return len(label) * CHARACTER + 8


def span_label(label: str, start: float, end: float, y: float, class_: str) -> str:
    """Return a label inside a span of pixels, hidden if it does not fit. The script keeps it visible on zoom."""
    hidden = end - start < width_of(label)
    attributes = {"data_from": start, "data_to": end, "data_width": width_of(label)}
    return element(
        "text",
        text(label),
        x=max(start, LEFT) + 4,
        y=y,
        class_=f"{class_} span{' tight' if hidden else ''}",
        **attributes,
    )


def mark(kind: str, x: float, y: float, tip: str = "", class_: str = "") -> str:
    """Return one request as a shape of its own; `tip` is shown on hover and by keyboard navigation."""
    inside = [element("title", text(tip))] if tip else []
    return element("use", *inside, href=f"#mark-{kind}", x=x, y=y, class_=f"mark {kind} {class_}".strip())


def heading(label: str, y: float, unit: str = "") -> str:
    """Return a panel's name in the left margin, with the unit of its axis below it."""
    name = element("text", text(label), x=8, y=y, class_="name")
    return name + (element("text", text(unit), x=8, y=y + 14, class_="unit") if unit else "")


def rule(y: float, class_: str = "grid") -> str:
    """Return a horizontal line across the plot."""
    return element("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, class_=class_)


def axis_label(label: str, y: float) -> str:
    """Return the label of a value on a panel's vertical axis."""
    return element("text", text(label), x=LEFT - 6, y=y + 3.5, class_="tick end")
