"""A generated block in a file that people write: between two markers, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ..errors import BadArgumentsError

BEGIN: Final = "<!-- lab compare: begin (generated) -->"
END: Final = "<!-- lab compare: end -->"


def splice(path: Path, text: str) -> None:
    """Put `text` between the markers of the file. Raises BadArgumentsError where it does not have both, in order."""
    try:
        whole = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadArgumentsError(f"--markdown {path}: {error.strerror}", f"a file with {BEGIN} and {END}") from error
    before, begin, rest = whole.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise BadArgumentsError(f"--markdown {path}: its markers are not there", f"write {BEGIN} and {END} into it")
    path.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")
