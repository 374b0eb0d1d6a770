"""The standard scenarios of a comparison: each takes 8 to 10 s and faults one of three backends."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ..scenario.library import find

STANDARD_SCENARIOS: Final = ("kill", "pause", "delay", "refuse", "blackhole", "error", "drain", "flapping")
_FOLDER: Final = Path(__file__).resolve().parent / "standard_scenario_files"


def scenario_file(name: str) -> Path:
    """Return the file of a scenario, given the name of a standard or library scenario, or a path.

    Raise `BadArgumentsError` if there is none.
    """
    return _FOLDER / f"{name}.yaml" if name in STANDARD_SCENARIOS else find(name)
