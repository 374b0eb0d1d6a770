"""The standard scenarios of a comparison: each takes 8 to 12 s and disturbs one of three backends, or all in turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

from ..scenario.library import find


class Group(StrEnum):
    """What a scenario is about. It decides which columns show its results."""

    FAULTS = "faults"
    """A backend fails."""
    GRAY = "gray"
    """A backend is neither dead nor well."""
    DEPLOYS = "deploys"
    """Nothing fails: backends are replaced, added and removed, and the configuration is loaded again."""


STANDARD_SCENARIOS: Final = {
    Group.FAULTS: ("kill", "pause", "delay", "refuse", "blackhole", "error", "drain", "flapping"),
    Group.GRAY: ("gray-loss", "gray-delay", "gray-errors", "gray-refuse", "slow-start"),
    Group.DEPLOYS: ("reload", "rolling-replace", "churn"),
}
_GROUPS: Final = {name: group for group, names in STANDARD_SCENARIOS.items() for name in names}
_FOLDER: Final = Path(__file__).resolve().parent / "standard_scenario_files"


def group_of(scenario: str) -> Group:
    """Return the group of a scenario; `FAULTS` for one that is not a standard scenario."""
    return _GROUPS.get(scenario, Group.FAULTS)


def expanded(names: Sequence[str]) -> Iterator[str]:
    """Yield the names, with each name of a group replaced by its scenarios."""
    for name in names:
        yield from STANDARD_SCENARIOS[Group(name)] if name in [*Group] else (name,)


def scenario_file(name: str) -> Path:
    """Return the file of a scenario, given the name of a standard or library scenario, or a path.

    Raise `BadArgumentsError` if there is none.
    """
    return _FOLDER / f"{name}.yaml" if name in _GROUPS else find(name)
