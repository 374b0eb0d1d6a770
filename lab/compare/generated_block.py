"""Replaces the generated block between two markers in a file that is otherwise written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ..errors import BadArgumentsError
from .standard_scenarios import Group

MARKERS: Final = {
    Group.FAULTS: ("<!-- lab compare: begin (generated) -->", "<!-- lab compare: end -->"),
    Group.GRAY: ("<!-- lab compare gray: begin (generated) -->", "<!-- lab compare gray: end -->"),
    Group.DEPLOYS: ("<!-- lab compare deploys: begin (generated) -->", "<!-- lab compare deploys: end -->"),
}
"""The markers of the table of each group of scenarios."""
ENTRIES: Final = ("<!-- lab compare --entry: begin (generated) -->", "<!-- lab compare --entry: end -->")
"""The markers of the table of entries that are compared with a baseline."""
ADVICE: Final = ("<!-- lab bench advise: begin (generated) -->", "<!-- lab bench advise: end -->")
"""The markers of the table of predicted beside measured."""


def splice_groups(path: Path, tables: Mapping[Group, str]) -> None:
    """Put each table between the markers of its group.

    A group for which the file has no marker is left out. Raise `BadArgumentsError` if that leaves none.
    """
    whole = _read(path, MARKERS[next(iter(tables))])
    wanted = [group for group in tables if any(marker in whole for marker in MARKERS[group])]
    for group in wanted or tables:
        splice(path, tables[group], MARKERS[group])


def splice(path: Path, text: str, markers: tuple[str, str]) -> None:
    """Put `text` between the markers of the file. Raise `BadArgumentsError` unless both are there, in order."""
    first, last = markers
    before, begin, rest = _read(path, markers).partition(first)
    _, end, after = rest.partition(last)
    if not (begin and end):
        raise BadArgumentsError(f"--markdown {path}: it has no markers", f"write {first} and {last} into it")
    path.write_text(f"{before}{first}\n{text}{last}{after}", encoding="utf-8")


def _read(path: Path, markers: tuple[str, str]) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadArgumentsError(
            f"--markdown {path}: {error.strerror}", f"a file with {' and '.join(markers)}"
        ) from error
