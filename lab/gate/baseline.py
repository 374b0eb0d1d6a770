"""The baseline of a gate: one small JSON file with what to run and the numbers of earlier runs (docs/gate.md)."""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..compare.entries import ENTRY_NAME, NamedEntry
from ..errors import BadArgumentsError
from ..output.atomic_write import write_atomically
from ..output.inert import one_line

SCHEMA: Final = 1
"""Version of the file. Increase it whenever a reader of the old version would misread the new one."""
MOST_REPEATS: Final = 50
_MAX_BYTES: Final = 1024 * 1024
"""A baseline of 3 entries, 8 scenarios and 50 repeats has 120 kB."""
_ROW: Final = re.compile(r'\[\n[^\[\]{}"]*\]')
"""A list of numbers in indented JSON. No text contains it, because JSON escapes line breaks in texts."""
_SHOWN: Final = 5

Hash = Annotated[str, Field(pattern="^([0-9a-f]{64})?$")]
Number = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Length = Field(min_length=1, max_length=2 * MOST_REPEATS)
Numbers = Annotated[tuple[Number | None, ...], _Length]
Counts = Annotated[tuple[Annotated[int, Field(ge=0)], ...], _Length]
Name = Annotated[str, Field(pattern=f"^{ENTRY_NAME.pattern}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class StoredEntry(_Strict):
    """What is gated. Paths are relative to the baseline's folder."""

    program: str = ""
    """Name of the adapter; empty if the files have to tell."""
    binary: str = ""
    """Path of the program, on runtime docker an image, in place of the one that the adapter finds."""
    files: tuple[str, ...] = ()
    command: str = ""
    version: str = ""
    """Version of the program; empty if it is not known, as of a command."""
    content: Hash = ""
    """SHA-256 of the files; empty without any."""


class StoredScenario(_Strict):
    """A scenario."""

    file: Annotated[str, Field(min_length=1)]
    """Name of a standard or library scenario, or a path relative to the baseline's folder."""
    plan: Hash
    """SHA-256 of the plan. Numbers of another plan cannot be compared."""


class StoredRuns(_Strict):
    """The measures of the runs that count, one number for each run; null if the event never happened."""

    requests: Counts
    failed: Counts
    slow: Counts
    reroute_s: Numbers
    readmit_s: Numbers
    p99_fault_s: Numbers

    def as_runs(self) -> dict[str, list[float]]:
        """Return measure → numbers, infinite for what never happened."""
        rows = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: [math.inf if each is None else float(each) for each in row] for name, row in rows.items()}

    @model_validator(mode="after")
    def _same_length(self) -> StoredRuns:
        if len({len(getattr(self, name)) for name in type(self).model_fields}) > 1:
            raise ValueError("expected as many numbers for each measure")
        return self


class Options(_Strict):
    """The options of `lab gate` that say how requests find their way through a user's configuration."""

    host: str = ""
    health: str = ""
    frontend: str = ""
    pool: str = ""
    replace: tuple[str, ...] = ()


class Baseline(_Strict):
    """The whole file. Everything that a gate needs, so that `lab gate --baseline FILE` alone repeats it."""

    version: int = Field(default=SCHEMA, alias="schema")
    made: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d")]
    """When, ISO 8601 in UTC; for display only."""
    lab: str
    """Version of the lab."""
    machine: str
    runtime: Annotated[str, Field(pattern="^(local|docker)$")]
    seed: Annotated[int, Field(ge=0)]
    repeat: Annotated[int, Field(ge=1, le=MOST_REPEATS)]
    count_busy: bool = False
    """Whether runs on a busy host count."""
    options: Options = Options()
    scenarios: Annotated[dict[str, StoredScenario], Field(min_length=1)]
    entries: Annotated[dict[Name, StoredEntry], Field(min_length=1)]
    runs: dict[str, dict[str, StoredRuns]]
    """Entry → scenario → numbers."""

    @model_validator(mode="after")
    def _complete(self) -> Baseline:
        for entry in self.entries:
            if missing := self.scenarios.keys() - self.runs.get(entry, {}).keys():
                raise ValueError(f"runs of {entry} in {sorted(missing)[0]} are missing")
        return self

    def named_entries(self, folder: Path) -> list[NamedEntry]:
        """Return what is gated. `folder`: that of the baseline."""
        return [
            NamedEntry(name, each.program, each.binary, tuple(str(folder / path) for path in each.files), each.command)
            for name, each in self.entries.items()
        ]

    def text(self) -> str:
        """Return the text of the file: sorted keys, and one line for each list of numbers."""
        indented = json.dumps(self.model_dump(mode="json", by_alias=True), indent=1, sort_keys=True)
        return _ROW.sub(lambda row: " ".join(row[0].split()), indented) + "\n"

    def write(self, path: Path) -> None:
        """Write the file atomically. Raise OSError."""
        write_atomically(path, self.text())


def read_baseline(path: Path) -> Baseline:
    """Return the baseline. Raise `BadArgumentsError` naming line or field if it cannot be read or is not one."""
    again = f"make a new one: lab gate … --baseline {path} --update"
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)  # the path may be a device that never ends
        raw = json.loads(data.decode("utf-8")) if len(data) <= _MAX_BYTES else None
    except FileNotFoundError:
        step = f"lab gate FILE --baseline {path} --update, with your configuration, or reroute, as FILE"
        raise BadArgumentsError(f"there is no baseline {path}", step) from None
    except json.JSONDecodeError as error:
        raise BadArgumentsError(f"{path}:{error.lineno}: is not JSON: {error.msg}", again) from error
    except (OSError, ValueError, RecursionError) as error:
        raise BadArgumentsError(f"{path}: cannot be read as a baseline: {error}", again) from error
    if not isinstance(raw, dict):
        raise BadArgumentsError(f"{path}: is not the baseline of a gate: expected an object", again)
    if raw.get("schema") != SCHEMA:
        found = one_line(repr(raw.get("schema")), 40)
        raise BadArgumentsError(f"{path}: schema: has version {found}, and this lab reads {SCHEMA}", again)
    try:
        return Baseline.model_validate_json(data)
    except ValidationError as error:
        problems = [f"{path}: {_problem(each)}" for each in error.errors()[:_SHOWN]]
        raise BadArgumentsError("\n".join(problems), again) from error


def relative(path: str, folder: Path) -> str:
    """Return the path as it is stored in a baseline in `folder`."""
    return os.path.relpath(Path(path).resolve(), folder.resolve())


def _problem(error: Any) -> str:
    field = ".".join(str(part) for part in error["loc"])
    return one_line(f"{field}: {error['msg']}" if field else error["msg"].removeprefix("Value error, "))
