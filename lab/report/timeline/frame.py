"""Where things stand in the chart: pixels, the time axis, and the pieces of SVG that every panel shares."""

from __future__ import annotations

from dataclasses import dataclass

from .scale import Linear, round_step
from .svg import element, text

WIDTH = 1200.0
LEFT, RIGHT = 116.0, 1180.0
"""Edges of the plot; names and units stand left of it."""
CHARACTER = 6.2
"""Mean width of a character of the chart's 11 px labels: decides what fits, errs on the wide side."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The time axis shared by all panels: `start`…`end` seconds on `LEFT`…`RIGHT`."""

    start: float
    end: float

    @property
    def x(self) -> Linear:
        """Seconds → pixels."""
        return Linear(self.start, self.end, LEFT, RIGHT)

    @property
    def bin_s(self) -> float:
        """Width of a bin in seconds: a round one, about a hundred across the plot."""
        return round_step((self.end - self.start) / 120)


@dataclass(frozen=True, slots=True)
class Panel:
    """One drawn part. On zoom, `fixed` stays, `stretched` follows the time axis, `placed` moves and keeps its shape."""

    height: float
    fixed: str = ""
    stretched: str = ""
    placed: str = ""


def width_of(label: str) -> float:
    """Pixels that a label takes, roughly."""
    return len(label) * CHARACTER + 8


def span_label(label: str, start: float, end: float, y: float, class_: str) -> str:
    """A label inside a span (pixels): hidden where the span is too narrow; the script keeps it in view on zoom."""
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


def mark(look: str, x: float, y: float, tip: str = "", class_: str = "") -> str:
    """One request as a shape of its own; `tip` is what hovering and the keyboard show."""
    inside = [element("title", text(tip))] if tip else []
    return element("use", *inside, href=f"#mark-{look}", x=x, y=y, class_=f"mark {look} {class_}".strip())


def heading(label: str, y: float, unit: str = "") -> str:
    """A panel's name in the left margin, with the unit of its axis below."""
    name = element("text", text(label), x=8, y=y, class_="name")
    return name + (element("text", text(unit), x=8, y=y + 14, class_="unit") if unit else "")


def rule(y: float, class_: str = "grid") -> str:
    """A horizontal line across the plot."""
    return element("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, class_=class_)


def axis_label(label: str, y: float) -> str:
    """A value on a panel's vertical axis."""
    return element("text", text(label), x=LEFT - 6, y=y + 3.5, class_="tick end")
