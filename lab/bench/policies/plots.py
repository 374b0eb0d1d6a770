"""The charts of the page as SVG: latency, shares, and the share of the backend in focus over time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ...report.timeline import svg
from ...report.timeline.scale import Linear, Log
from .bench_record import Cell, Scenario
from .formatting import duration

WIDTH, ROW, NAMES, TOP, FOOT = 600.0, 26.0, 112.0, 8.0, 34.0
RIGHT = WIDTH - 14.0


@dataclass(frozen=True, slots=True)
class _Rows:
    """Layout of a chart with one row for each policy."""

    cells: Sequence[Cell]

    @property
    def bottom(self) -> float:
        return TOP + ROW * len(self.cells)

    def middle(self, index: int) -> float:
        return TOP + ROW * (index + 0.5)

    def names(self) -> Iterable[str]:
        for index, cell in enumerate(self.cells):
            label = svg.text(cell.policy)
            yield svg.element("text", label, x=NAMES - 10, y=self.middle(index) + 4, class_="policy end")

    def draw(self, parts: Iterable[str], label: str) -> str:
        drawn = [svg.title(label), *self.names(), *parts]
        box = f"0 0 {svg.number(WIDTH)} {svg.number(self.bottom + FOOT)}"
        return svg.element("svg", *drawn, viewBox=box, class_="plot", role="img", aria_label=label)


def latency(scenario: Scenario, cells: Sequence[Cell]) -> str:
    """Return a chart on a log axis: bars from median to 99th percentile, a dot at the mean, hollow marks for theory."""
    rows = _Rows(cells)
    x = Log(*_range(cells), NAMES, RIGHT)
    parts = [*_log_axis(x, rows.bottom)]
    if scenario.floor and scenario.floor.mean_s:
        parts.append(_floor(x(scenario.floor.mean_s), rows.bottom))
    for index, cell in enumerate(cells):
        parts.append(_measured(cell, x, rows.middle(index)))
        parts.append(_theory(cell, x, rows.middle(index)))
    return rows.draw(parts, f"Latency of each policy: {scenario.title}")


def _range(cells: Sequence[Cell]) -> tuple[float, float]:
    """Return the range of the axis, slightly larger than that of all values."""
    values = [value for cell in cells for value in (cell.p50_s.low, cell.p99_s.high, cell.mean_s.value)]
    values += [v for c in cells if (t := c.theory.latency) for v in (t.mean_s, t.p50_s, t.p99_s) if v]
    return min(values) / 1.25, max(values) * 1.25


def _log_axis(x: Log, bottom: float) -> Iterable[str]:
    """Yield ticks at 1, 2 and 5 in each decade, or at powers of ten over more than two decades."""
    decades = x.high / x.low > 100.0
    for power in range(-6, 3):
        for step in (1.0,) if decades else (1.0, 2.0, 5.0):
            value = step * 10.0**power
            if x.low <= value <= x.high:
                yield _tick(x(value), bottom, f"{value * 1e3:g} ms" if value < 1.0 else f"{value:g} s")


def _tick(x: float, bottom: float, label: str) -> str:
    line = svg.element("line", x1=x, x2=x, y1=TOP, y2=bottom, class_="grid")
    return line + svg.element("text", svg.text(label), x=x, y=bottom + 16, class_="tick middle")


def _floor(x: float, bottom: float) -> str:
    line = svg.element("line", x1=x, x2=x, y1=TOP, y2=bottom + 20, class_="floor")
    return line + svg.element("text", "no mean can be lower", x=x + 4, y=bottom + 30, class_="floor-label")


def _measured(cell: Cell, x: Log, y: float) -> str:
    low, high = x(cell.p50_s.value), x(cell.p99_s.value)
    label = (
        f"{cell.policy}: mean {duration(cell.mean_s.value)}, median {duration(cell.p50_s.value)}, "
        f"p99 {duration(cell.p99_s.value)} ({duration(cell.p99_s.low)}–{duration(cell.p99_s.high)} "
        f"over {cell.seeds} seeds)"
    )
    kind = "unstable" if cell.unstable else "stable"
    bar = svg.element("rect", x=low, width=max(1.0, high - low), y=y - 5, height=10, rx=2, class_=f"range {kind}")
    dot = svg.element("circle", cx=x(cell.mean_s.value), cy=y, r=3.4, class_=f"mean {kind}")
    return svg.group([svg.title(label), bar, _overload(low, y) if cell.unstable else _spread(cell, x, y), dot])


def _spread(cell: Cell, x: Log, y: float) -> str:
    return svg.element("line", x1=x(cell.p99_s.low), x2=x(cell.p99_s.high), y1=y, y2=y, class_="spread")


def _overload(low: float, y: float) -> str:
    return svg.element("text", "overloaded, still growing", x=low + 8, y=y + 3.6, class_="overload")


def _theory(cell: Cell, x: Log, y: float) -> str:
    theory = cell.theory.latency
    if theory is None or theory.mean_s is None:
        return ""
    marks = [svg.title(f"theory, {theory.formula}: mean {theory.relation} {duration(theory.mean_s)}")]
    bound = " bound" if theory.relation == "≤" else ""
    marks.append(svg.element("circle", cx=x(theory.mean_s), cy=y, r=6.2, class_=f"theory{bound}"))
    known = [x(value) for value in (theory.p50_s, theory.p99_s) if value is not None]
    marks.extend(svg.element("line", x1=at, x2=at, y1=y - 9, y2=y + 9, class_="theory") for at in known)
    return svg.group(marks)


def shares(scenario: Scenario, cells: Sequence[Cell]) -> str:
    """Return a chart of the shares: of each backend if one is in focus, else their evenness."""
    rows = _Rows(cells)
    parts = _evenness(scenario, rows) if scenario.focus is None else _stacks(scenario, scenario.focus, rows)
    return rows.draw(parts, f"Share of the requests for each backend: {scenario.title}")


def _stacks(scenario: Scenario, focus: int, rows: _Rows) -> Iterable[str]:
    x = Linear(0.0, 1.0, NAMES, RIGHT)
    for value in x.ticks(5):
        yield _tick(x(value), rows.bottom, f"{value:.0%}")
    order = [focus, *(i for i in range(len(scenario.backends)) if i != focus)]
    for index, cell in enumerate(rows.cells):
        y, start = rows.middle(index), 0.0
        for place, backend in enumerate(order):
            share = cell.shares[backend]
            kind = "focus" if place == 0 else f"other-{place % 2}"
            title = svg.title(f"{cell.policy}: {scenario.backends[backend].id} {share:.1%}")
            width = x(start + share) - x(start)
            yield svg.element("rect", title, x=x(start), width=width, y=y - 7, height=14, class_=f"share {kind}")
            start += share
        yield from (
            svg.element("line", x1=x(edge), x2=x(edge), y1=y - 10, y2=y + 10, class_=_edge_kind(cell))
            for edge in _edges(cell, order)
        )


def _edge_kind(cell: Cell) -> str:
    return "theory bound" if cell.theory.shares and cell.theory.shares.relation == "≤" else "theory"


def _edges(cell: Cell, order: Sequence[int]) -> Iterable[float]:
    """Yield the theoretical end of each part of a stacked bar, except the last, as a share."""
    theory = cell.theory.shares
    if theory is None:
        return
    known = [theory.each[i] for i in order] if theory.each else [theory.focus or 0.0]
    total = 0.0
    for share in known[: len(order) - 1]:
        total += share
        yield total


def _evenness(scenario: Scenario, rows: _Rows) -> Iterable[str]:
    """Yield a dot for each backend at its multiple of an even share."""
    even = 1.0 / len(scenario.backends)
    widest = max(0.1, *(abs(share / even - 1.0) for cell in rows.cells for share in cell.shares)) * 1.1
    x = Linear(1.0 - widest, 1.0 + widest, NAMES, RIGHT)
    for value in x.ticks(6):
        yield _tick(x(value), rows.bottom, f"{value - 1.0:+.0%}" if abs(value - 1.0) > 1e-9 else "even")
    for index, cell in enumerate(rows.cells):
        y = rows.middle(index)
        if cell.theory.shares is not None:
            yield svg.element("line", x1=x(1.0), x2=x(1.0), y1=y - 10, y2=y + 10, class_="theory")
        points = [(x(share / even), y) for share in cell.shares]
        yield svg.element("path", d=svg.dots(points), class_="dots")


PANEL_WIDTH, PANEL_HEIGHT, PANEL_LEFT, PANEL_TOP = 236.0, 108.0, 34.0, 22.0


def over_time(scenario: Scenario, cell: Cell, most: float) -> str:
    """Return a chart of the share of the backend in focus over time; `most` is the top of the axis."""
    bottom, right = PANEL_HEIGHT - 18.0, PANEL_WIDTH - 14.0
    x, y = Linear(0.0, scenario.ends_s, PANEL_LEFT, right), Linear(0.0, most, bottom, PANEL_TOP)
    label = f"{cell.policy}: share of the backend in focus over time"
    parts = [svg.title(label), *_fault_band(scenario, x, bottom), *_panel_axes(x, y, bottom)]
    width = scenario.ends_s / max(1, len(cell.series))
    points = [(x((i + 0.5) * width), y(min(most, share))) for i, share in enumerate(cell.series)]
    parts.append(svg.element("path", d=svg.polyline(points), class_="line"))
    theory = cell.theory.shares
    if theory and theory.focus is not None and theory.relation != "≤" and not scenario.changes:
        parts.append(_level(x, y(theory.focus)))
    parts.append(svg.element("text", svg.text(cell.policy), x=PANEL_LEFT, y=13, class_="policy"))
    box = f"0 0 {svg.number(PANEL_WIDTH)} {svg.number(PANEL_HEIGHT)}"
    return svg.element("svg", *parts, viewBox=box, class_="panel", role="img", aria_label=label)


def top_of_panels(scenario: Scenario, cells: Sequence[Cell]) -> float:
    """Return the top of the axis that all panels of a scenario share."""
    known = [c.theory.shares.focus for c in cells if c.theory.shares and c.theory.shares.focus]
    return max(1.5 / len(scenario.backends), *(max(cell.series) for cell in cells), *known) * 1.08


def _level(x: Linear, y: float) -> str:
    return svg.element("line", x1=x.start, x2=x.end, y1=y, y2=y, class_="theory level")


def _fault_band(scenario: Scenario, x: Linear, bottom: float) -> Iterable[str]:
    for start, end in pairwise(scenario.changes):
        width = x(end.at_s) - x(start.at_s)
        yield svg.element(
            "rect",
            svg.title(f"{start.condition} from {start.at_s:g} s to {end.at_s:g} s"),
            x=x(start.at_s),
            width=width,
            y=PANEL_TOP,
            height=bottom - PANEL_TOP,
            class_="fault",
        )


def _panel_axes(x: Linear, y: Linear, bottom: float) -> Iterable[str]:
    for value in y.ticks(3):
        yield svg.element("line", x1=x.start, x2=x.end, y1=y(value), y2=y(value), class_="grid")
        yield svg.element("text", f"{value:.0%}", x=x.start - 5, y=y(value) + 3.5, class_="tick end")
    for value in x.ticks(4):
        yield svg.element("text", f"{value:g} s", x=x(value), y=bottom + 14, class_="tick middle")
