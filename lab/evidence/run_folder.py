"""Reads the folder of a run, in which any file may be missing, damaged or cut short.

Both readers of runs use it: `lab.evidence.record` for checkers, `lab.report.run_files` for reports.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ..scenario.plan import Plan
from .events import Events, read_events
from .history import History, read_history
from .instances import name_instances
from .verdict import RunVerdict

T = TypeVar("T")
FILES = ("verdict.json", "plan.json", "history.jsonl", "events.jsonl")
"""A folder with at least one of these is the folder of a run."""


@dataclass(slots=True)
class RunFolder:
    """Contents of a run's folder; None for a file that is missing or cannot be read."""

    verdict: RunVerdict | None = None
    plan: Plan | None = None
    history: History | None = None
    events: Events | None = None
    problems: dict[str, str] = field(default_factory=dict)
    """File name → why the file could not be read, as a clause: `plan.json is missing`."""


def is_run_folder(folder: Path) -> bool:
    """Return whether `folder` has any file of a run."""
    return any((folder / name).is_file() for name in FILES)


def read_run_folder(run_dir: Path) -> RunFolder:
    """Return what can be read of `run_dir`. Raise nothing; `RunFolder.problems` lists what cannot."""
    problems: dict[str, str] = {}

    def read(name: str, reader: Callable[[Path], T]) -> T | None:
        try:
            return reader(run_dir / name)
        except FileNotFoundError:
            problems[name] = f"{name} is missing"
        except OSError as error:
            problems[name] = f"{name} cannot be read: {error.strerror}"
        except (ValueError, AttributeError) as error:  # AttributeError: valid JSON, but not an object
            problems[name] = f"{name} cannot be read: {error}"
        return None

    found = RunFolder(
        verdict=read("verdict.json", lambda path: RunVerdict.from_json(path.read_text("utf-8"))),
        plan=read("plan.json", lambda path: Plan.from_json(path.read_text("utf-8"))),
        history=read("history.jsonl", read_history),
        events=read("events.jsonl", read_events),
        problems=problems,
    )
    if found.history and found.events:
        name_instances(found.history, found.events)
    return found
