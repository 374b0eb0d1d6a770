"""Changes of a user's files: applied to their texts, and shown as a unified diff."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from .configuration import Edit


def apply(texts: Mapping[Path, str], edits: Iterable[Edit]) -> dict[Path, str]:
    """Return the texts with the edits, which must not overlap. New lines end as those of their file do."""
    kept = sorted(edits, key=lambda each: (each.place.start, each.place.end))
    return {path: _applied(text, [each for each in kept if each.place.path == path]) for path, text in texts.items()}


def _applied(text: str, edits: Iterable[Edit]) -> str:
    parts, end = [], 0
    windows = "\r\n" in text
    for edit in edits:
        if edit.place.start < end:
            raise AssertionError(f"two changes of the same text at {edit.place}")
        new = re.sub(r"\r?\n", "\r\n", edit.text) if windows else edit.text
        parts += [text[end : edit.place.start], new]
        end = edit.place.end
    return "".join([*parts, text[end:]])


def unified_diff(before: str, after: str, old: str, new: str) -> Iterator[str]:
    """Yield the lines of a unified diff, each with its line end. `old` and `new` are the names of the files."""
    for line in difflib.unified_diff(_lines(before), _lines(after), old, new):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _lines(text: str) -> list[str]:
    """Split at line feeds only, as `patch` does."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)
