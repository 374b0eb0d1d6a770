"""Folders of runs: `results/<run-id>/`, and the link `results/latest` to the newest."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path

from ..errors import EnvironmentProblemError

LATEST = "latest"
"""Name of the link to the newest run, in the folder of the runs."""


def new_run_dir(results: Path, scenario: str, *, latest: bool = True) -> Path:
    """Create the folder of a new run; its name is the run's id. Raise EnvironmentProblemError if that fails."""
    name = re.sub(r"[^a-z0-9]+", "-", scenario.lower()).strip("-")
    run_dir = results / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{name}-{secrets.token_hex(2)}"
    try:
        run_dir.mkdir(parents=True)
    except OSError as error:
        raise EnvironmentProblemError(
            f"{run_dir} cannot be created: {error.strerror}", "choose another folder with --results"
        ) from error
    if latest:
        _link_latest(results, run_dir.name)
    return run_dir


def run_names(results: Path) -> list[str]:
    """Return the names of the folders in `results`, newest first; empty if there are none or they cannot be read.

    Folders whose names do not begin with a date, such as those of benchmarks, come last.
    """
    try:
        folders = [each for each in results.iterdir() if each.is_dir() and not each.is_symlink()]
    except OSError:
        return []
    names = [each.name for each in folders if not each.name.startswith(".")]
    return sorted(names, key=lambda name: (name[0].isdigit(), name), reverse=True)


def expect_writable(results: Path) -> None:
    """Raise EnvironmentProblemError if no run can be stored there. Call it before a lab is started."""
    try:
        results.mkdir(parents=True, exist_ok=True)
        why = "" if os.access(results, os.W_OK | os.X_OK) else "it cannot be written to"
    except OSError as error:
        why = error.strerror or str(error)
    if why:
        raise EnvironmentProblemError(f"{results}: {why}", "choose another folder with --results")


def _link_latest(results: Path, name: str) -> None:
    # The link may fail on a file system without links, or if two runs start at once; the runs do not need it.
    with contextlib.suppress(OSError):
        temporary = results / f".latest-{name}"
        temporary.symlink_to(name, target_is_directory=True)
        temporary.replace(results / LATEST)
