"""Reads a scenario file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from .model_file import FileFormat
from .schema import Scenario
from .yaml_limits import SCENARIO

_FORMAT: Final = FileFormat("scenario", Scenario, "docs/scenarios.md", SCENARIO)


def load_scenario(path: Path) -> Scenario:
    """Return the scenario in `path`. Raise ModelFileError, or BadArgumentsError if the file cannot be read."""
    return _FORMAT.load(path)


def parse_scenario(text: str, file: str) -> Scenario:
    """Return the scenario in `text`. Raise ModelFileError, whose problems name `file`."""
    return _FORMAT.parse(text, file)
