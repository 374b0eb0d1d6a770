"""Files that are there whole or not at all, whoever reads them and whatever the disk has left."""

from __future__ import annotations

from pathlib import Path


def write_atomically(path: Path, content: str) -> None:
    """Replace `path`. Raise OSError (disk full), and leave no draft behind then.

    The file is valid UTF-8: half a surrogate pair, which UTF-8 cannot write, becomes text such as `\\ud800`.
    """
    draft = path.with_name(f"{path.name}.tmp")
    try:
        draft.write_text(content, encoding="utf-8", errors="backslashreplace")
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
