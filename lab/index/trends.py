"""Trends: the numbers of one entry in one scenario over all runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ..report.timeline.svg import element, number, polyline, title
from .listing import Listed, Point

SHOWN: Final = 60
"""Points of a sparkline, the newest ones: more would be closer than three pixels."""
WIDTH, HEIGHT, MARGIN = 180.0, 32.0, 4.0


@dataclass(frozen=True, slots=True)
class Trend:
    """All points of one entry in one scenario on one runtime, measured in one way; oldest first."""

    scenario: str
    entry: str
    runtime: str
    method: str
    points: tuple[tuple[Listed, Point], ...]

    @property
    def newest(self) -> tuple[Listed, Point]:
        """The last point, with its folder."""
        return self.points[-1]


def trends(listed: Iterable[Listed]) -> list[Trend]:
    """Return the trends of folders that are given newest first, ordered by scenario and entry."""
    found: dict[tuple[str, str, str, str], list[tuple[Listed, Point]]] = {}
    for each in reversed([*listed]):
        for point in each.points:
            found.setdefault((point.scenario, point.entry, each.runtime, each.method), []).append((each, point))
    return [Trend(*key, tuple(points)) for key, points in sorted(found.items())]


def sparkline(values: Iterable[float | None], name: str, unit: str = "") -> str:
    """Return an `<svg>` with a line from 0 to the largest value, oldest value first; None leaves a gap.

    Return an empty string if there is no value.
    """
    shown = [*values][-SHOWN:]
    known = [each for each in shown if each is not None]
    if not known:
        return ""
    highest = max(known) or 1.0
    step = (WIDTH - 2 * MARGIN) / max(1, len(shown) - 1)

    def at(index: int, value: float) -> tuple[float, float]:
        x = WIDTH - MARGIN - (len(shown) - 1 - index) * step
        return x, HEIGHT - MARGIN - value / highest * (HEIGHT - 2 * MARGIN)

    pieces: list[list[tuple[float, float]]] = [[]]
    for index, value in enumerate(shown):
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append(at(index, value))
    floor = f"M{number(MARGIN)} {number(HEIGHT - MARGIN)}H{number(WIDTH - MARGIN)}"
    x, y = next(piece[-1] for piece in reversed(pieces) if piece)
    told = (
        f"{name}: {_text(known[-1], unit)}; {_text(min(known), unit)} to {_text(max(known), unit)} in {len(shown)} runs"
    )
    return element(
        "svg",
        title(told),
        element("path", d=floor, class_="axis"),
        element("path", d="".join(polyline(piece) for piece in pieces), class_="line"),
        *(element("circle", cx=px, cy=py, r=1.6, class_="point") for piece in pieces for px, py in piece),
        element("circle", cx=x, cy=y, r=3, class_="newest"),
        viewBox=f"0 0 {number(WIDTH)} {number(HEIGHT)}",
        class_="spark",
        role="img",
    )


def _text(value: float, unit: str) -> str:
    return f"{value:.2f} {unit}" if unit else f"{value:g}"
