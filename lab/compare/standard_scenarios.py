"""The league's own scenarios: 8 to 10 s each, one fault on one of three backends, GETs and POSTs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ..scenario.library import find

LEAGUE: Final = ("kill", "pause", "delay", "refuse", "blackhole", "error", "drain", "flapping")
_FOLDER: Final = Path(__file__).resolve().parent / "standard_scenario_files"


def league_file(name: str) -> Path:
    """A scenario of the league; else one of the library, or a path. Raises BadArgumentsError where there is none."""
    return _FOLDER / f"{name}.yaml" if name in LEAGUE else find(name)
