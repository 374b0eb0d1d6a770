"""Writes SVG as text. All content and attributes are escaped here, and numbers are short."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from ...output.inert import inert

Value = str | float | int | None


def number(value: float) -> str:
    """Return a number with at most two decimals, because 0.01 CSS pixels are not visible on any screen."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def element(tag: str, *children: str, **attributes: Value) -> str:
    """Return one element. `children` must be markup (see `text`); attributes are escaped.

    In attribute names, `_` becomes `-`, and a trailing `_` is dropped (`class_`). Attributes with None are omitted.
    """
    rendered = "".join(f' {_name(key)}="{_value(value)}"' for key, value in attributes.items() if value is not None)
    return f"<{tag}{rendered}>{''.join(children)}</{tag}>" if children else f"<{tag}{rendered}/>"


def text(content: str) -> str:
    """Return text escaped for use inside an element."""
    return escape(inert(content), quote=False)


def title(content: str) -> str:
    """Return a `<title>`, which browsers show on hover and screen readers read, without a script."""
    return element("title", text(content))


def group(children: Iterable[str], **attributes: Value) -> str:
    """Return a `<g>` around `children`, or an empty string without children."""
    rendered = "".join(children)
    return element("g", rendered, **attributes) if rendered else ""


def ticks(points: Iterable[tuple[float, float]], height: float) -> str:
    """Return path data with one vertical stroke of `height` from each point."""
    return "".join(f"M{number(x)} {number(y)}v{number(height)}" for x, y in points)


def dots(points: Iterable[tuple[float, float]]) -> str:
    """Return path data of zero-length strokes. A round line cap draws them as dots, which zooming does not stretch."""
    return "".join(f"M{number(x)} {number(y)}h0" for x, y in points)


def polyline(points: Iterable[tuple[float, float]]) -> str:
    """Return path data with straight lines from point to point."""
    return "".join(f"{'L' if i else 'M'}{number(x)} {number(y)}" for i, (x, y) in enumerate(points))


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: Value) -> str:
    return escape(inert(value)) if isinstance(value, str) else number(float(value or 0))
