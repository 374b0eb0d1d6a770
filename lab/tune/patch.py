"""The changes as a patch of the user's own files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..balancers.changes import unified_diff


@dataclass(frozen=True, slots=True)
class Patch:
    """A unified diff."""

    text: str
    """Bytes that are not UTF-8 are lone surrogates, as in `own_files.read`; empty without a change."""
    folder: Path
    """Folder to which the names in it are relative."""

    def command(self, file: str) -> str:
        """Return the command that applies the patch in this file."""
        inside = "" if self.folder == Path.cwd() else f"-d {self.folder} "
        return f"patch -p0 {inside}< {file}"


def patch(before: Mapping[Path, str], after: Mapping[Path, str]) -> Patch:
    """Return the patch that turns `before` into `after`.

    Names are relative to the current folder if all changed files are below it, otherwise to their common folder,
    because `patch` refuses absolute names.
    """
    changed = [path for path in before if before[path] != after[path]]
    folder = Path.cwd()
    if not all(path.is_relative_to(folder) for path in changed):
        folder = Path(os.path.commonpath([path.parent for path in changed]))
    lines: list[str] = []
    for path in changed:
        name = path.relative_to(folder).as_posix()
        lines += unified_diff(before[path], after[path], name, name)
    return Patch("".join(lines), folder)
