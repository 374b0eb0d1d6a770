"""Checkers and balancer adapters that other installed packages add by entry points (docs/extending.md).

Faults and policies are loaded by the chaos service and the balancer. The lab itself reads only their names.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from .errors import EnvironmentProblemError

FAULTS: Final = "reroute.faults"
CHECKERS: Final = "reroute.checkers"
ADAPTERS: Final = "reroute.adapters"


@cache
def points(group: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of a group. The installed packages are read once."""
    return tuple(entry_points(group=group))


def load(
    what: str, built_in: Collection[str], accepts: Callable[[str, Any], bool], found: Iterable[EntryPoint]
) -> dict[str, Any]:
    """Return the objects of entry points by name. `accepts` says whether an object has the wanted interface.

    An object that cannot be loaded is left out, with a warning on stderr that names its package. Raise
    EnvironmentProblemError if a name is taken, because its meaning would depend on what is installed.
    """
    owners, loaded = dict.fromkeys(built_in, "built in"), {}
    for point in found:
        package = point.dist.name if point.dist else "unknown"
        owner = f"of package {package} ({point.value})"
        if point.name in owners:
            raise EnvironmentProblemError(
                f"{what} {point.name!r} {owner} has the name of the {what} that is {owners[point.name]}",
                f"rename its entry point, or pip uninstall {package}",
            )
        owners[point.name] = owner
        try:
            value = point.load()
            if not accepts(point.name, value):
                raise TypeError(f"it is not a {what}")
        except Exception as error:  # noqa: BLE001 - a broken package must not end the lab
            sys.stderr.write(f"lab: {what} {point.name!r} {owner} is left out: {type(error).__name__}: {error}\n")
        else:
            loaded[point.name] = value
    return loaded
