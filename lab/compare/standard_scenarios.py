"""The standard scenarios of a comparison: 8 to 10 s each, one fault on one of three backends, GETs and POSTs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ..scenario.library import find

STANDARD_SCENARIOS: Final = ("kill", "pause", "delay", "refuse", "blackhole", "error", "drain", "flapping")
_FOLDER: Final = Path(__file__).resolve().parent / "standard_scenario_files"


def scenario_file(name: str) -> Path:
    """Return the file of a standard scenario, of one of the library, or of a path. Raise BadArgumentsError."""
    return _FOLDER / f"{name}.yaml" if name in STANDARD_SCENARIOS else find(name)
