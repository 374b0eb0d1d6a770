"""Finds the mutants, and replaces what they ask for."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
_NOT_MUTANTS = {"__main__", "planting"}


@dataclass(frozen=True)
class Mutant:
    """What a module says of its bug."""

    name: str
    story: str
    scenario: str
    caught_by: tuple[str, ...]
    phases: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)


def mutants() -> list[Mutant]:
    """All of them, by name."""
    names = sorted(each.name for each in pkgutil.iter_modules([str(FOLDER)]) if each.name not in _NOT_MUTANTS)
    return [_described(name, import_module(f"tests.mutants.{name}")) for name in names]


def _described(name: str, module: Any) -> Mutant:
    story, phases, settings = module.__doc__, getattr(module, "PHASES", ()), getattr(module, "SETTINGS", {})
    return Mutant(name, story, module.SCENARIO, module.CAUGHT_BY, phases, settings)


def wrap(owner: Any, name: str, made: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace `owner.name` by what `made` makes of it; fails when there is no such thing any more."""
    setattr(owner, name, made(getattr(owner, name)))
