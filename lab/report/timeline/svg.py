"""SVG as text: one function for an element, one for a path, numbers as short as a screen can tell apart."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from ...output.inert import inert

Value = str | float | int | None


def number(value: float) -> str:
    """At most two decimals: a hundredth of a CSS pixel, below what any screen shows."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def element(tag: str, *children: str, **attributes: Value) -> str:
    """One element. `children` are markup already (see `text`); attributes are escaped here.

    `_` in an attribute's name stands for `-`, a trailing one is dropped (`class_`), and a None attribute is left out.
    """
    rendered = "".join(f' {_name(key)}="{_value(value)}"' for key, value in attributes.items() if value is not None)
    return f"<{tag}{rendered}>{''.join(children)}</{tag}>" if children else f"<{tag}{rendered}/>"


def text(content: str) -> str:
    """Text made safe to stand inside an element."""
    return escape(inert(content), quote=False)


def title(content: str) -> str:
    """What a browser shows on hover, and a screen reader reads, without any script."""
    return element("title", text(content))


def group(children: Iterable[str], **attributes: Value) -> str:
    """A `<g>` around `children`; nothing at all when there are none."""
    rendered = "".join(children)
    return element("g", rendered, **attributes) if rendered else ""


def ticks(points: Iterable[tuple[float, float]], height: float) -> str:
    """Path data: one vertical stroke of `height` from each point. One path, however many points."""
    return "".join(f"M{number(x)} {number(y)}v{number(height)}" for x, y in points)


def dots(points: Iterable[tuple[float, float]]) -> str:
    """Path data: zero-length strokes, which a round line cap draws as dots that do not stretch when zoomed."""
    return "".join(f"M{number(x)} {number(y)}h0" for x, y in points)


def polyline(points: Iterable[tuple[float, float]]) -> str:
    """Path data: straight lines from point to point."""
    return "".join(f"{'L' if i else 'M'}{number(x)} {number(y)}" for i, (x, y) in enumerate(points))


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: Value) -> str:
    return escape(inert(value)) if isinstance(value, str) else number(float(value or 0))
