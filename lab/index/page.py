"""`index.html` of a results folder: one file that opens offline, without a script; style sheets filter its tables."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from ..output.atomic_write import write_atomically
from ..report.page_kit import render
from .listing import Listing, read_listing
from .trends import Trend, sparkline, trends

FILE: Final = "index.html"
TEMPLATES: Final = Path(__file__).with_name("templates")
_OURS: Final = '<meta name="generator" content="reroute lab: index of results">'
"""Marks the file, so that an index.html of somebody else is never replaced."""
_HEAD_BYTES: Final = 2000


@dataclass(frozen=True, slots=True)
class Filter:
    """The choices of one filter. Rows carry the numbers of those they belong to in the attribute `data-KEY`."""

    key: str
    heading: str
    choices: tuple[str, ...]

    def numbers(self, names: Sequence[str]) -> str:
        """Return the value of the attribute for a row."""
        return " ".join(str(number) for number, name in enumerate(self.choices) if name in names)

    def rules(self) -> str:
        """Return the CSS rules that hide the rows of all but the chosen one."""
        key = self.key
        return "".join(
            f'body:has(#{key}-{number}:checked) [data-{key}]:not([data-{key}~="{number}"]) {{ display: none; }}\n'
            for number in range(len(self.choices))
        )


@contextlib.contextmanager
def indexed(results: Path) -> Iterator[None]:
    """Write the index of the folder again at the end, also after an error."""
    try:
        yield
    finally:
        refresh(results)


def refresh(results: Path, *, begin: bool = True) -> None:
    """Write `index.html` of the folder again. Do nothing if that is not possible, because no run needs it.

    A file of that name that the lab has not written stays as it is. `begin`: write it also where there is none yet.
    """
    with contextlib.suppress(OSError):
        if _may_write(results / FILE, begin):
            write_index(results)


def write_index(results: Path) -> Path:
    """Write `index.html` of the folder and return its path. Raise OSError."""
    path = results / FILE
    write_atomically(path, page(read_listing(results)))
    return path


def is_foreign(results: Path) -> bool:
    """Return whether the folder has an `index.html` that the lab has not written."""
    return not _may_write(results / FILE, begin=True)


def page(listing: Listing) -> str:
    """Return the whole page."""
    found = trends(listing.listed)
    scenarios = Filter("scenario", "Scenario", _names(each.scenarios for each in listing.listed))
    entries = Filter("entry", "Entry", _names(each.entries for each in listing.listed))
    values: dict[str, Any] = {
        "generator": Markup(_OURS),
        "listing": listing,
        "filters": [each for each in (scenarios, entries) if len(each.choices) > 1],
        "scenarios": scenarios,
        "entries": entries,
        "trends": [(each, *_pictures(each)) for each in found],
    }
    rules = scenarios.rules() + entries.rules()
    return render(TEMPLATES / "index.html.j2", TEMPLATES / "index.css", values, rules=rules)


def _pictures(trend: Trend) -> tuple[Markup, Markup]:
    points = [point for _, point in trend.points]
    where = f"{trend.scenario}, {trend.entry}"
    return (
        Markup(sparkline([each.reroute_s for each in points], f"time to reroute, {where}", "s")),
        Markup(sparkline([each.failed for each in points], f"failed requests, {where}")),
    )


def _names(groups: Any) -> tuple[str, ...]:
    return tuple(sorted({name for group in groups for name in group}))


def _may_write(path: Path, begin: bool) -> bool:
    try:
        with path.open("rb") as file:
            return _OURS.encode() in file.read(_HEAD_BYTES)
    except FileNotFoundError:
        return begin and path.parent.is_dir()
