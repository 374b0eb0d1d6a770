"""Values that a shell completes: names of scenarios, fault kinds and runs. Each function returns those that fit."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import typer

from ..evidence.results import LATEST, run_names
from ..scenario import fault_kinds, library


def scenarios(incomplete: str) -> list[str]:
    """Return the scenarios of the library that begin with the typed text. If none does, the shell offers file names."""
    return _fitting(library.names(), incomplete)


def scenario_list(incomplete: str) -> list[str]:
    """Return what the last word of a list with commas can be, with the words before it."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in scenarios(last)]


def kinds(incomplete: str) -> list[str]:
    """Return the fault kinds that come with the lab. Those of other packages take too long to read."""
    return _fitting(fault_kinds.built_in().kinds, incomplete)


def runs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the runs in the folder of the option `--results`, newest first."""
    results = Path(ctx.params.get("results") or "results")
    return _fitting([*([LATEST] if (results / LATEST).exists() else []), *run_names(results)], incomplete)


def _fitting(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
