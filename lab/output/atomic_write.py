"""Writes a file atomically: a reader sees the old or the new content, never a part, even if the disk is full or
several processes write it."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomically(path: Path, content: str) -> None:
    """Replace the file `path`. Raise OSError (disk full); then no temporary file remains.

    The file is valid UTF-8: a lone surrogate, which UTF-8 cannot encode, becomes text such as `\\ud800`.
    """
    # Two processes may write the same file at the same time, so each has a temporary file of its own.
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(content, encoding="utf-8", errors="backslashreplace")
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
