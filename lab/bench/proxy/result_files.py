"""Result files: `bench.json` for programs, `report.html` for people."""

from __future__ import annotations

import json
from pathlib import Path

from ...errors import EnvironmentProblemError
from .page import page
from .result import Report


def write(report: Report, folder: Path) -> list[Path]:
    """Write both files, replacing earlier ones. Raise `EnvironmentProblemError` if that is not possible."""
    contents = {"bench.json": json.dumps(report.as_json(), indent=2) + "\n", "report.html": page(report)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (folder / name).write_text(content, encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblemError(
            f"{folder} cannot be written: {error.strerror}", "choose another --out"
        ) from error
    return [folder / name for name in contents]
