"""The result of one check."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class Level(StrEnum):
    """Severity of a finding."""

    GOOD = "ok"
    LESS = "less"
    """It works, but less well or differently."""
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of the table.

    `costs` says what does not work without it; `mend` is the command that provides it. Both are empty if
    there is no problem.
    """

    name: str
    level: Level
    found: str
    costs: str = ""
    mend: str = ""
    needed_by: tuple[str, ...] = ()
    """Runtimes that cannot work without it."""

    def as_json(self) -> dict[str, object]:
        """Return the finding as in `lab doctor --json`."""
        return asdict(self)


def good(name: str, found: str) -> Finding:
    """Return a finding without a problem."""
    return Finding(name, Level.GOOD, found)


def less(name: str, found: str, costs: str, mend: str = "") -> Finding:
    """Return a finding for something that works with a limitation."""
    return Finding(name, Level.LESS, found, costs, mend)


def missing(name: str, found: str, costs: str, mend: str, needed_by: tuple[str, ...] = ()) -> Finding:
    """Return a finding for something that is missing."""
    return Finding(name, Level.MISSING, found, costs, mend, needed_by)
