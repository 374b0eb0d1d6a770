"""Plots the time to reroute against the phase, with the bound as a line."""

from __future__ import annotations

from collections.abc import Iterable

from ..report.timeline import svg
from ..report.timeline.scale import Linear
from . import Point, Sweep

WIDTH, HEIGHT = 720.0, 320.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 700.0, 18.0, 272.0
HEADROOM = 1.08
"""Space above the highest value, so that the line of the bound is not at the edge."""


def plot(sweep: Sweep) -> str:
    """Return the plot as SVG. `lab.report.timeline.svg` escapes all text in it."""
    drawn = [point for point in sweep.points if point.reroute_s is not None]
    bounds = [point.bound_s for point in sweep.points if point.bound_s is not None]
    tighter = [each for each in (point.traffic_bound_s for point in sweep.points) if each is not None]
    if bounds and tighter and min(tighter) >= min(bounds):
        tighter = []  # both bounds are the same, so one line suffices
    most = HEADROOM * max([*bounds, *tighter, *(point.reroute_s or 0.0 for point in drawn)], default=1.0)
    across = Linear(0.0, max([1.0, *(_phase(point) for point in drawn)]), LEFT, RIGHT)
    down = Linear(0.0, most or 1.0, BOTTOM, TOP)
    label = f"Seconds until traffic left, by phase of the health check: {sweep.scenario}"
    parts = [
        svg.title(label),
        *_grid(across, down),
        *_bound("bound", "bound", bounds, down),
        *_bound("with traffic", "bound tighter", tighter, down),
        *(mark for point in drawn for mark in _mark(point, across, down)),
    ]
    box = f"0 0 {svg.number(WIDTH)} {svg.number(HEIGHT)}"
    return svg.element("svg", *parts, viewBox=box, class_="plot", role="img", aria_label=label)


def _phase(point: Point) -> float:
    return point.wanted if point.phase is None else point.phase


def _grid(across: Linear, down: Linear) -> Iterable[str]:
    for value in across.ticks(8):
        x = svg.number(across(value))
        yield svg.element("path", d=f"M{x} {svg.number(TOP)}V{svg.number(BOTTOM)}", class_="gridline")
        yield svg.element("text", svg.text(f"{value:g}"), x=across(value), y=BOTTOM + 16, class_="tick middle")
    for value in down.ticks(5):
        y = svg.number(down(value))
        yield svg.element("path", d=f"M{svg.number(LEFT)} {y}H{svg.number(RIGHT)}", class_="gridline")
        yield svg.element("text", svg.text(f"{value:g} s"), x=LEFT - 8, y=down(value) + 4, class_="tick end")
    foot = "part of the check interval that had passed when the fault took effect"
    yield svg.element("text", svg.text(foot), x=(LEFT + RIGHT) / 2, y=BOTTOM + 38, class_="tick middle")


def _bound(name: str, css_class: str, bounds: list[float], down: Linear) -> Iterable[str]:
    if not bounds:
        return
    y = down(min(bounds))
    yield svg.element("path", d=f"M{svg.number(LEFT)} {svg.number(y)}H{svg.number(RIGHT)}", class_=css_class)
    yield svg.element("text", svg.text(f"{name} {min(bounds):.3f} s"), x=RIGHT, y=y - 5, class_="tick end")


def _mark(point: Point, across: Linear, down: Linear) -> Iterable[str]:
    x, y = across(_phase(point)), down(point.reroute_s or 0.0)
    tip = f"{point.kind} at phase {_phase(point):.3f}: {point.reroute_s:.3f} s ({point.verdict})"
    css_class = "point" if point.within is not False else "point beyond"
    yield svg.element("path", d=f"M{svg.number(x)} {svg.number(down(0.0))}V{svg.number(y)}", class_="stem")
    yield svg.element("circle", svg.title(tip), cx=x, cy=y, r=5, class_=css_class)
