"""Files that are there whole or not at all, whoever reads them and whatever the disk has left."""

from __future__ import annotations

from pathlib import Path


def write_whole(path: Path, content: str) -> None:
    """Replace `path`. Raises OSError (disk full), and leaves no draft behind then."""
    draft = path.with_name(f"{path.name}.tmp")
    try:
        draft.write_text(content, encoding="utf-8")
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
