"""Replaces the generated block between two markers in a file that is otherwise written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ..errors import BadArgumentsError

BEGIN: Final = "<!-- lab compare: begin (generated) -->"
END: Final = "<!-- lab compare: end -->"


def splice(path: Path, text: str) -> None:
    """Put `text` between the markers of the file. Raise `BadArgumentsError` unless both are there, in order."""
    try:
        whole = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadArgumentsError(f"--markdown {path}: {error.strerror}", f"a file with {BEGIN} and {END}") from error
    before, begin, rest = whole.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise BadArgumentsError(f"--markdown {path}: it has no markers", f"write {BEGIN} and {END} into it")
    path.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")
