"""The files of a gate: `gate.json`, `gate.md`, and `gate.html`, which opens offline and has no script."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

from markupsafe import Markup

from ..output.atomic_write import write_atomically
from ..output.json_text import dumps
from ..report.page_kit import render
from ..report.timeline.svg import element, number, title
from .decision import Compared
from .wording import HEADINGS, Told

PAGE: Final = "gate.html"
FILE: Final = "gate.json"
TEMPLATES: Final = Path(__file__).with_name("templates")
WIDTH, HEIGHT, MARGIN = 180.0, 30.0, 6.0


def write_results(told: Told, folder: Path) -> None:
    """Write the three files into the folder of the runs. Raise OSError."""
    values = {
        "told": told,
        "verdict": told.decision.verdict.value,
        "headings": [*HEADINGS[:3], "Runs", *HEADINGS[3:]],
        "rows": [
            (row, Markup(strip(each)), each.worse) for row, each in zip(told.rows(), told.in_order(), strict=True)
        ],
    }
    write_atomically(folder / PAGE, render(TEMPLATES / "gate.html.j2", TEMPLATES / "gate.css", values))
    write_atomically(folder / "gate.md", told.markdown())
    write_atomically(folder / FILE, dumps(told.as_document(), indent=2) + "\n")


def strip(each: Compared) -> str:
    """Return an `<svg>` with a mark for each run: those of the baseline above, those of the gate below.

    Both have one axis that begins at 0. What never happened is at its end.
    """
    known = [value for value in (*each.before, *each.after) if math.isfinite(value)]
    end = max([*known, each.tolerance]) * 1.05

    def x(value: float) -> float:
        return MARGIN + min(value / end, 1.0) * (WIDTH - 2 * MARGIN)

    axis = f"M{number(MARGIN)} {number(HEIGHT / 2)}H{number(WIDTH - MARGIN)}"
    marks = [
        element("circle", cx=x(value), cy=y, r=3.2, class_=kind)
        for kind, y, values in (("before", HEIGHT / 2 - 7, each.before), ("after", HEIGHT / 2 + 7, each.after))
        for value in values
    ]
    told = f"{each.measure.heading}: {_list(each.before)} in the baseline, {_list(each.after)} now"
    return element(
        "svg",
        title(told),
        element("path", d=axis, class_="axis"),
        *marks,
        viewBox=f"0 0 {number(WIDTH)} {number(HEIGHT)}",
        class_="strip",
        role="img",
    )


def _list(values: tuple[float, ...]) -> str:
    return ", ".join("never" if math.isinf(each) else f"{each:.3g}" for each in sorted(values))
