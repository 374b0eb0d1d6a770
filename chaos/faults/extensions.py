"""Fault kinds that other installed packages add, by entry points of the group `reroute.faults` (docs/extending.md).

The name of the entry point is the kind. Its object is of the same type as `FAULT` in the modules of this package.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, MutableMapping
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from ..inputs.command_line import CommandError
from .base import AnyFault, Layer, Params, Support
from .bound import Bound
from .published import document

GROUP: Final = "reroute.faults"
_TYPES: Final = {"summary": str, "layer": Layer, "bound": Bound, "support": Support}
_METHODS: Final = ("inject", "verify", "heal")
log = logging.getLogger(__name__)


class NameTakenError(CommandError):
    """An installed package adds a fault kind with a name that is in use."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, "rename its entry point, or uninstall the package")


def add_extensions(faults: MutableMapping[str, AnyFault], points: Iterable[EntryPoint] | None = None) -> None:
    """Add the kinds of other packages to `faults`.

    A kind that cannot be loaded is left out, with a warning that names its package. Raise NameTakenError if a name is
    in use, because the meaning of the name must not depend on what is installed.
    """
    owners = dict.fromkeys(faults, "built into the chaos service")
    for point in entry_points(group=GROUP) if points is None else points:
        owner = f"of package {point.dist.name if point.dist else 'unknown'} ({point.value})"
        if point.name in owners:
            raise NameTakenError(f"fault {point.name!r} {owner} has the same name as a fault {owners[point.name]}")
        owners[point.name] = owner
        try:
            fault = point.load()
            _check(fault, point.name)
        except Exception as error:  # noqa: BLE001 - a broken package must not end the chaos service
            log.warning("fault %r %s is left out: %s: %s", point.name, owner, type(error).__name__, error)
        else:
            faults[point.name] = fault


def _check(fault: AnyFault, name: str) -> None:
    """Raise TypeError if the object is not a fault or a declaration is missing or of the wrong type."""
    if fault.kind != name:
        raise TypeError(f"its kind is {fault.kind!r}; expected the name of the entry point")
    for attribute, kind in _TYPES.items():
        if not isinstance(getattr(fault, attribute), kind):
            raise TypeError(f"expected its {attribute} to be a {kind.__module__}.{kind.__name__}")
    if not issubclass(fault.params, Params):
        raise TypeError("expected its params to be a subclass of Params")
    if missing := [method for method in _METHODS if not callable(getattr(fault, method, None))]:
        raise TypeError(f"it lacks {', '.join(missing)}")
    document([fault])
