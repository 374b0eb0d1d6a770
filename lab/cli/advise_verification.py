"""Runs the faults of a verification, for `lab advise --verify` and `lab bench advise`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ..advise.prediction import Fault
from ..compare import entries
from ..compare.configs import write_configs
from ..compare.document import Comparison, label
from ..compare.environment import LocalEnvironment
from ..compare.runner import run_all
from ..compare.verification import (
    Subject,
    Verified,
    as_document,
    plans,
    schedule,
    table,
    verify,
    was_busy,
    with_recorded,
)
from ..errors import BadArgumentsError, EnvironmentProblemError
from ..index.page import refresh
from ..output.json_text import dumps
from ..output.terminal import Terminal
from ..runtime.state_folder import state_root
from ..scenario.plan import Plan
from .common import words
from .compare_commands import begin_comparison, command_line, keep_entries_inside

ALL_FAULTS: Final = ",".join(Fault)


@dataclass(frozen=True, slots=True)
class Verification:
    """The rows of a verification, and where its files are."""

    rows: tuple[Verified, ...]
    comparison: Comparison
    folder: Path

    @property
    def exceeded(self) -> bool:
        """Whether a measured value is above its predicted worst case."""
        return any(row.verdict == "exceeded" for row in self.rows)

    def text(self) -> str:
        """Return one line for each row."""
        lines = []
        for row in self.rows:
            largest = f"{max(row.measured_s):.2f} s" if row.measured_s else "nothing"
            lines.append(
                f"{label(row.program, row.settings)}, {row.fault}: predicted at most {row.worst_s:.2f} s and "
                f"{row.affected_at_most} requests, expected {row.expected_s:.2f} s, measured {largest} and "
                f"{max(row.affected, default=0)} requests: {row.verdict}{f' ({row.why})' if row.why else ''}"
            )
        return "\n".join([*lines, f"{self.folder}/advise.md · advise.json"])


def kinds(text: str) -> list[Fault]:
    """Return the kinds of fault of a comma-separated list. Raise `BadArgumentsError`."""
    named = words(text)
    known = set(Fault)
    if not named or not set(named) <= known:
        raise BadArgumentsError(f"--faults {text}: unknown kind of fault", f"choose from {ALL_FAULTS}")
    return [Fault(name) for name in named]


def run_verification(
    subjects: Sequence[Subject],
    faults: Sequence[Fault],
    phases: int,
    seed: int | None,
    results: Path,
    console: Terminal,
    append: Path | None = None,
) -> Verification:
    """Run every fault at every phase with every balancer, and write `advise.json` and `advise.md`.

    `append`: folder of an earlier verification of balancers that the lab renders. Its runs are judged too, with the
    present models. Without phases, nothing is run. Raise `BadArgumentsError` if the recorded runs are of other files or
    versions; `EnvironmentProblemError` if no balancer ran.
    """
    environment = LocalEnvironment(state_root() / "compare")
    comparison, folder = begin_comparison(append, results, seed, "mixed", environment.name, "advise")
    keep_entries_inside([each.entry for each in subjects], environment, console.print)
    if phases:
        comparison.commands.append(command_line(sys.argv[1:]))
        _run(subjects, plans(faults, comparison.seed), phases, comparison, folder, environment, console)
    if append is not None:
        subjects, faults = with_recorded(subjects, faults, comparison)
    wanted = plans(faults, comparison.seed)
    verified = Verification(tuple(verify(subjects, wanted, comparison, was_busy(folder))), comparison, folder)
    document = dumps(as_document(verified.rows, comparison), indent=2)
    (folder / "advise.json").write_text(document + "\n", encoding="utf-8")
    (folder / "advise.md").write_text(table(verified.rows, comparison), encoding="utf-8")
    refresh(results)
    if not any(row.measured_s for row in verified.rows):
        raise EnvironmentProblemError("no balancer ran", f"{folder}/advise.md says why")
    return verified


def _run(
    subjects: Sequence[Subject],
    wanted: Mapping[Fault, Plan],
    phases: int,
    comparison: Comparison,
    folder: Path,
    environment: LocalEnvironment,
    console: Terminal,
) -> None:
    known = dict(comparison.versions)
    entries.note_rendered([each.entry for each in subjects if not each.entry.choice.files], comparison)
    with environment.set_up(console.print):
        found = entries.with_versions([each.entry for each in subjects], environment, comparison)
        for name, version in known.items():
            if comparison.versions[name] != version:
                raise BadArgumentsError(
                    f"{name} is {comparison.versions[name]}, and the recorded runs are of {version}",
                    "begin a new comparison",
                )
        folder.mkdir(parents=True, exist_ok=True)
        write_configs(found, folder)
        subjects = [replace(each, entry=entry) for each, entry in zip(subjects, found, strict=True)]
        first = 1 + max((each.repeat for each in comparison.results), default=-1)
        run_all(comparison, schedule(subjects, wanted, phases, first), folder, environment, console.print)
