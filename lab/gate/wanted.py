"""What a gate runs: what the command line says, and for the rest what the baseline says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..compare.document import Comparison, Result
from ..compare.entries import NamedEntry
from ..compare.runner import Entry
from ..compare.standard_scenarios import STANDARD_SCENARIOS, scenario_file
from ..errors import BadArgumentsError
from ..release import release
from ..scenario.file_reader import load_scenario
from ..scenario.library import names
from ..scenario.plan import Plan
from ..scenario.planner import make_plan
from .baseline import Baseline, Options, StoredEntry, StoredRuns, StoredScenario, relative
from .decision import runs_needed
from .runs import counted

SCENARIOS: Final = ("kill", "pause")
REPEAT: Final = 6
_NO_OPTIONS: Final = Options()


@dataclass(frozen=True, slots=True)
class Request:
    """The options of the command line; None or empty: not given."""

    entries: tuple[NamedEntry, ...] = ()
    scenarios: tuple[str, ...] = ()
    repeat: int | None = None
    seed: int | None = None
    runtime: str = ""
    count_busy: bool = False
    options: Options = _NO_OPTIONS


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a gate runs, complete."""

    entries: tuple[NamedEntry, ...]
    scenarios: tuple[str, ...]
    """Names of standard or library scenarios, or paths."""
    repeat: int
    runtime: str
    count_busy: bool
    options: Options
    seed: int | None = None
    """None: a new one."""

    def plans(self, seed: int) -> list[Plan]:
        """Return the plan of each scenario. Raise `BadArgumentsError` if two scenarios have one name."""
        paths = [scenario_file(each) for each in self.scenarios]
        stems = [path.stem for path in paths]
        if twice := next((stem for stem in stems if stems.count(stem) > 1), ""):
            raise BadArgumentsError(f"--scenarios: two are called {twice}", "give every scenario a name of its own")
        return [make_plan(load_scenario(path), path.stem, seed) for path in paths]


def new(request: Request) -> Wanted:
    """Return what a new baseline is made of. Raise `BadArgumentsError` if the request names nothing to gate."""
    if not request.entries:
        raise BadArgumentsError("nothing to gate was named", "give your configuration, or reroute")
    return Wanted(
        request.entries,
        request.scenarios or SCENARIOS,
        request.repeat or REPEAT,
        request.runtime or "local",
        request.count_busy,
        request.options,
        request.seed,
    )


def stored(baseline: Baseline, path: Path, request: Request, update: bool) -> Wanted:
    """Return what to run for the baseline in the file `path`: as the request says, and otherwise as the baseline says.

    Raise `BadArgumentsError` if the baseline is not to be updated and has no numbers for what the request names.
    """
    if not update:
        _expect_numbers(baseline, path, request)
    given = request.options
    words = [*request.scenarios] if update else [scenario_file(each).stem for each in request.scenarios]
    known = {name: _scenario(each.file, path.parent) for name, each in baseline.scenarios.items()}
    return Wanted(
        request.entries or tuple(baseline.named_entries(path.parent)),
        tuple(known.get(each, each) for each in words) or tuple(known.values()),
        request.repeat or baseline.repeat,
        request.runtime or baseline.runtime,
        request.count_busy or baseline.count_busy,
        given if given != _NO_OPTIONS else baseline.options,
        baseline.seed if request.seed is None else request.seed,
    )


def _expect_numbers(baseline: Baseline, path: Path, request: Request) -> None:
    again = "leave it out, or make a new baseline with --update"
    if request.seed not in {None, baseline.seed}:
        raise BadArgumentsError(f"--seed {request.seed}: {path} has numbers of seed {baseline.seed}", again)
    if request.runtime not in {"", baseline.runtime}:
        raise BadArgumentsError(f"--runtime {request.runtime}: {path} has numbers of {baseline.runtime}", again)
    for stem in (scenario_file(each).stem for each in request.scenarios):
        if stem not in baseline.scenarios:
            raise BadArgumentsError(f"--scenarios: {path} has no numbers of {stem}", again)
    for name in (each.name for each in request.entries):
        if not stored_name(name, request.entries, baseline):
            raise BadArgumentsError(
                f"{path} has no numbers of {name}", f"it has those of {', '.join(baseline.entries)}; or --update"
            )


def stored_name(name: str, entries: Sequence[NamedEntry], baseline: Baseline) -> str:
    """Return the name under which the baseline has the numbers for an entry, or an empty string.

    If there is only one entry on both sides, their names may differ.
    """
    if name in baseline.entries:
        return name
    return next(iter(baseline.entries)) if len(baseline.entries) == 1 and len(entries) <= 1 else ""


def expect_same_plans(baseline: Baseline, plans: Sequence[Plan], path: Path) -> None:
    """Raise `BadArgumentsError` if a scenario has changed since the baseline was made."""
    for plan in plans:
        if fingerprint(plan) != baseline.scenarios[plan.scenario].plan:
            lab = "" if baseline.lab == release() else f" or the lab ({baseline.lab} then, {release()} now)"
            raise BadArgumentsError(
                f"{path}: {plan.scenario}: the scenario{lab} has changed since {baseline.made[:10]}: another plan",
                f"store new numbers: lab gate --baseline {path} --update",
            )


def expect_enough_repeats(repeat: int, tests: int, fewest_stored: int | None = None) -> None:
    """Raise `BadArgumentsError` if so few runs could never show a difference (`runs_needed`)."""
    needed = runs_needed(tests, fewest_stored)
    if not needed:
        raise BadArgumentsError("the baseline has too few runs", "make a new one: --update, with a larger --repeat")
    if repeat < needed:
        raise BadArgumentsError(
            f"--repeat {repeat}: with {tests} comparisons, at least {needed} runs of each are needed",
            f"--repeat {needed} or more, or fewer scenarios",
        )


def stored_entries(
    wanted: Wanted, entries: Sequence[Entry], comparison: Comparison, path: Path
) -> dict[str, StoredEntry]:
    """Return what a baseline in the file `path` says about the entries."""
    found = {}
    for named, entry in zip(wanted.entries, entries, strict=True):
        choice = entry.choice
        key = f"{choice.adapter}@{choice.binary}" if choice.binary else choice.adapter
        found[named.name] = StoredEntry(
            program=choice.adapter,
            binary=named.binary,
            files=tuple(relative(each, path.parent) for each in named.files),
            command=named.command,
            version=comparison.versions.get(key, ""),
            content=_content(choice.files),
        )
    return found


def make_baseline(
    wanted: Wanted, entries: Mapping[str, StoredEntry], plans: Sequence[Plan], comparison: Comparison, path: Path
) -> Baseline:
    """Return the baseline that the runs of a comparison make. There must be a run that counts for each of them."""
    files = zip(wanted.scenarios, plans, strict=True)
    return Baseline(
        made=comparison.made,
        lab=release(),
        machine=comparison.machine,
        runtime=wanted.runtime,
        seed=comparison.seed,
        repeat=wanted.repeat,
        count_busy=wanted.count_busy,
        options=wanted.options,
        scenarios={
            plan.scenario: StoredScenario(file=_stored_scenario(file, path.parent), plan=fingerprint(plan))
            for file, plan in files
        },
        entries=dict(entries),
        runs={
            name: {
                plan.scenario: _stored_runs(counted(comparison, name, plan.scenario, wanted.count_busy))
                for plan in plans
            }
            for name in entries
        },
    )


def changes(baseline: Baseline, entries: Mapping[str, tuple[str, StoredEntry]], machine: str) -> tuple[str, ...]:
    """Return a sentence for each thing that differs from the time of the baseline.

    `entries`: name → the name that it has in the baseline, and what it is now.
    """
    told = []
    for name, (before, now) in entries.items():
        then = baseline.entries[before]
        if now.content:
            told.append(f"{name} has {'not changed' if then.content == now.content else 'changed'} since then.")
        if then.version != now.version:
            told.append(f"The program of {name} was {then.version or 'of unknown version'}, and is {now.version} now.")
    if baseline.lab != release():
        told.append(f"The lab was {baseline.lab}, and is {release()} now.")
    if baseline.machine != machine:
        told.append(f"The machine is another one: {baseline.machine} then, {machine} now.")
    return tuple(told)


def fingerprint(plan: Plan) -> str:
    """Return the SHA-256 of a plan."""
    return hashlib.sha256(plan.to_json().encode()).hexdigest()


def _content(files: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for each in files:
        digest.update(hashlib.sha256(Path(each).read_bytes()).digest())
    return digest.hexdigest() if files else ""


def _stored_runs(results: Sequence[Result]) -> StoredRuns:
    measures = [each.measures for each in results]
    return StoredRuns(**{name: tuple(getattr(each, name) for each in measures) for name in StoredRuns.model_fields})


def _stored_scenario(word: str, folder: Path) -> str:
    return word if _is_name(word) else relative(word, folder)


def _scenario(file: str, folder: Path) -> str:
    return file if _is_name(file) else str(folder / file)


def _is_name(word: str) -> bool:
    return word in STANDARD_SCENARIOS or word in names()
