"""The scenarios that are part of the lab, by name."""

from __future__ import annotations

import difflib
from pathlib import Path

from ...errors import BadArgumentsError

FOLDER = Path(__file__).resolve().parent


def names() -> list[str]:
    """Return the names of all scenarios of the library, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find(name_or_path: str) -> Path:
    """Return the file of a library scenario, or the file at a path. Raise BadArgumentsError with a suggestion."""
    if name_or_path in names():
        return FOLDER / f"{name_or_path}.yaml"
    path = Path(name_or_path)
    if path.is_file():
        return path
    close = difflib.get_close_matches(name_or_path, names(), n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    raise BadArgumentsError(
        f"there is no scenario {name_or_path!r}{hint}", f"use a path to a YAML file, or one of: {', '.join(names())}"
    )
