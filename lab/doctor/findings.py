"""One thing looked at, and what was found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much of what the lab can use is there."""

    GOOD = "ok"
    LESS = "less"
    """Something works less well, or in another way."""
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """A row of the table. `costs` and `mend` are empty where nothing is amiss."""

    name: str
    level: Level
    found: str
    costs: str = ""
    mend: str = ""
    needed_by: tuple[str, ...] = ()
    """Runtimes that do not work at all without it."""

    def as_json(self) -> dict[str, object]:
        """For `lab doctor --json`."""
        return asdict(self)


def good(name: str, found: str) -> Finding:
    """Nothing amiss."""
    return Finding(name, Level.GOOD, found)


def less(name: str, found: str, costs: str, mend: str = "") -> Finding:
    """It works, with a cost."""
    return Finding(name, Level.LESS, found, costs, mend)


def missing(name: str, found: str, costs: str, mend: str, needed_by: tuple[str, ...] = ()) -> Finding:
    """It is not there."""
    return Finding(name, Level.MISSING, found, costs, mend, needed_by)
