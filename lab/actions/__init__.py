"""Operator actions on schedule. Every module here with an `ACTION` is found without being listed.

An action declares what it applies to, what it needs of the lab and how it is recorded, and performs itself with the
methods of `base.OperatedLab`. It imports only `identity` and `errors` of the lab, so that the scenario language can
read the declarations.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from .base import Action


def _all() -> Iterator[Action]:
    for each in pkgutil.iter_modules(__path__):
        action = getattr(importlib.import_module(f"{__name__}.{each.name}"), "ACTION", None)
        if action is not None:
            yield action


ACTIONS: dict[str, Action] = {action.name: action for action in _all()}
"""All actions by name."""

__all__ = ["ACTIONS", "Action"]
