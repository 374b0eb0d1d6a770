"""Checks a tuning by runs: the original and the tuned files under the faults of the goals, interleaved."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..advise.prediction import Fault
from ..balancers.selection import Choice
from ..compare import entries
from ..compare.configs import changes
from ..compare.differences import contrasts
from ..compare.document import OWN, Comparison
from ..compare.environment import LocalEnvironment
from ..compare.page import write_page
from ..compare.runner import Entry, ScheduledRun, run_all
from ..compare.runner import schedule as interleaved
from ..compare.table import difference_table, markdown, parts, remarks, table
from ..compare.verification import at_phase, plans, unmistakable
from ..errors import EnvironmentProblemError
from ..output.terminal import Terminal
from ..runtime.state_folder import state_root
from ..scenario.plan import Plan
from ..tune.goal import Goal
from ..tune.tuner import Tuning, Version, copies
from .compare_commands import begin_comparison, command_line, keep_entries_inside

ORIGINAL: Final = "original"
TUNED: Final = "tuned"


@dataclass(frozen=True, slots=True)
class Measured:
    """A goal beside what the runs of the tuned files measured."""

    goal: Goal
    fault: Fault
    values: tuple[float, ...]
    """One for each run that counts."""
    lasts_s: float
    """Duration of the fault in the runs."""

    @property
    def met(self) -> bool:
        """Whether every run kept the bound."""
        return max(self.values) <= self.goal.bound + 1e-9

    def sentence(self) -> str:
        """Return what was measured."""
        measure = self.goal.measure
        times = len(self.values)
        told = (
            f"{self.fault}: {measure.name} <= {measure.shown(self.goal.bound)}: measured at most "
            f"{measure.shown(max(self.values))} in {times} run{'s' * (times > 1)}: {'met' if self.met else 'not met'}"
        )
        if measure.measured == "reroute_s" and self.goal.bound >= self.lasts_s:
            return f"{told} (the fault lasts only {self.lasts_s:g} s in the lab, so this proves nothing)"
        return told


@dataclass(frozen=True, slots=True)
class VerifiedTuning:
    """A checked tuning: its goals beside what was measured, and the runs of the original and the tuned files."""

    goals: tuple[Measured, ...]
    comparison: Comparison
    folder: Path

    @property
    def met(self) -> bool:
        """Whether every goal that runs can measure was met in every run."""
        return all(each.met for each in self.goals)

    def document(self) -> dict[str, Any]:
        """Return the part `measured` of the JSON document."""
        goals = [
            {"goal": each.goal.text, "fault": each.fault, "values": list(each.values), "met": each.met}
            for each in self.goals
        ]
        sentences = [each.sentence() for each in contrasts(self.comparison)]
        return {"folder": str(self.folder), "seed": self.comparison.seed, "goals": goals, "differences": sentences}


def verify_tuning(tuning: Tuning, repeat: int, seed: int | None, results: Path, console: Terminal) -> VerifiedTuning:
    """Run every fault of the goals `repeat` times with each version, and print what was measured.

    Raise `EnvironmentProblemError` if a fault has no valid run of the tuned files.
    """
    environment = LocalEnvironment(state_root() / "compare")
    comparison, folder = begin_comparison(None, results, seed, "mixed", environment.name, "tune")
    folder = folder.resolve()
    tuned = copies(tuning.after.texts, folder / TUNED)
    chosen = [
        _entry(ORIGINAL, tuning.request.program, list(tuning.before.texts), tuning.before),
        _entry(TUNED, tuning.request.program, tuned, tuning.after),
    ]
    for line in changes(chosen[0].choice):
        console.print(line, soft_wrap=True)
    entries.note_baseline(ORIGINAL, chosen, comparison)
    entries.note_sources(chosen, comparison)
    keep_entries_inside(chosen, environment, console.print)
    comparison.commands.append(command_line(sys.argv[1:]))
    wanted = plans(
        list(dict.fromkeys(fault for goal in tuning.request.goals for fault in goal.faults)), comparison.seed
    )
    with environment.set_up(console.print):
        chosen = entries.with_versions(chosen, environment, comparison)
        try:
            run_all(comparison, _schedule(chosen, wanted, tuning, repeat), folder, environment, console.print)
        finally:  # also after an interruption, because the runs so far can be read
            (folder / "compare.md").write_text(markdown(comparison), encoding="utf-8")
            write_page(comparison, folder)
    verified = VerifiedTuning(tuple(_measured(tuning, wanted, comparison)), comparison, folder)
    _show(verified, console)
    return verified


def _entry(name: str, program: str, files: Sequence[Path], version: Version) -> Entry:
    entry = Entry(Choice(name, adapter=program, files=tuple(map(str, files))), OWN, named=True)
    return entries.with_routes([entry], str(version.listener.place), str(version.pool.place))[0]


def _schedule(
    chosen: Sequence[Entry], wanted: Mapping[Fault, Plan], tuning: Tuning, repeat: int
) -> Iterator[ScheduledRun]:
    """Yield the runs. In each repeat both versions get the same plan, at another phase of the health checks."""
    used = (tuning.before.pool.settings, tuning.after.pool.settings)
    for number in range(repeat):
        shifted = [at_phase(unmistakable(plan, *used), number / repeat, *used) for plan in wanted.values()]
        yield from interleaved(chosen, shifted, [number])


def _measured(tuning: Tuning, wanted: Mapping[Fault, Plan], comparison: Comparison) -> Iterator[Measured]:
    for goal in tuning.request.goals:
        if not (field := goal.measure.measured):
            continue
        for fault in goal.faults:
            lasts_s = wanted[fault].steps[0].duration_s
            counted = [
                each.measures
                for each in comparison.results
                if each.balancer == TUNED and each.scenario == fault and each.counts and each.measures
            ]
            values = [float(value) for each in counted if (value := getattr(each, field)) is not None]
            if not values:
                raise EnvironmentProblemError(
                    f"no valid run of the tuned files under {fault}", "--no-verify, or again when less else runs here",
                    tuple(line for each in remarks(comparison) for line in each.lines()),
                )  # fmt: skip
            # A fault that is undone late lasts for longer than planned, which is not the balancer's doing.
            yield Measured(goal, fault, tuple(min(v, lasts_s) if field == "reroute_s" else v for v in values), lasts_s)


def _show(verified: VerifiedTuning, console: Terminal) -> None:
    console.print()
    for part in parts(verified.comparison):
        console.print(table(part))
    console.print(difference_table(verified.comparison))
    for sentence in (
        *(each.sentence() for each in contrasts(verified.comparison)),
        *(each.sentence() for each in verified.goals),
        *(line for each in remarks(verified.comparison) for line in each.lines()),
    ):
        console.print(sentence, soft_wrap=True)
    console.print(f"{verified.folder}/compare.html · compare.md · compare.json")
