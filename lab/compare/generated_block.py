"""Replaces the generated block between two markers in a file that is otherwise written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ..errors import BadArgumentsError

LEAGUE: Final = ("<!-- lab compare: begin (generated) -->", "<!-- lab compare: end -->")
"""The markers of the table of balancers that are compared with each other."""
ENTRIES: Final = ("<!-- lab compare --entry: begin (generated) -->", "<!-- lab compare --entry: end -->")
"""The markers of the table of entries that are compared with a baseline."""
ADVICE: Final = ("<!-- lab bench advise: begin (generated) -->", "<!-- lab bench advise: end -->")
"""The markers of the table of predicted beside measured."""


def splice(path: Path, text: str, markers: tuple[str, str]) -> None:
    """Put `text` between the markers of the file. Raise `BadArgumentsError` unless both are there, in order."""
    first, last = markers
    try:
        whole = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadArgumentsError(f"--markdown {path}: {error.strerror}", f"a file with {first} and {last}") from error
    before, begin, rest = whole.partition(first)
    _, end, after = rest.partition(last)
    if not (begin and end):
        raise BadArgumentsError(f"--markdown {path}: it has no markers", f"write {first} and {last} into it")
    path.write_text(f"{before}{first}\n{text}{last}{after}", encoding="utf-8")
