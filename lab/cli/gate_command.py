"""`lab gate`: fail if scenarios are significantly worse than the numbers of a baseline."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from ..balancers.selection import HEALTH_PATH
from ..compare import entries
from ..compare.configs import changes
from ..compare.differences import MEASURES
from ..compare.document import Comparison
from ..compare.page import write_page
from ..compare.table import markdown as compare_markdown
from ..errors import BadArgumentsError, ExitCode
from ..evidence.results import expect_writable
from ..evidence.verdict import Verdict
from ..gate import wanted as gate_wanted
from ..gate.baseline import MOST_REPEATS, Baseline, Options, StoredEntry, read_baseline
from ..gate.decision import decide, runs_needed, runs_of
from ..gate.result_files import PAGE, write_results
from ..gate.runs import counted, expect_programs, run_enough
from ..gate.wanted import Request, Wanted, make_baseline, stored_name
from ..gate.wording import HEADINGS, Told, left_out
from ..index.page import indexed
from ..output.terminal import Terminal
from ..report import job_summary
from ..runtime.selection import RuntimeName
from ..scenario.plan import Plan
from .common import JsonOption, message_console, print_json, words
from .compare_commands import (
    begin_comparison,
    command_line,
    environment_for,
    keep_entries_inside,
    with_requests,
)


def gate(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE…]",
            help="Configurations (FILE,FILE: several files of one), or names of balancers as the lab renders them, "
            "such as reroute. Default: those of the baseline.",
        ),
    ] = None,
    baseline: Annotated[Path, typer.Option(help="The file with the stored numbers.")] = Path("lab-baseline.json"),
    update: Annotated[bool, typer.Option("--update", help="Run, and write the file instead of comparing.")] = False,
    entry: Annotated[
        list[str] | None,
        typer.Option(help="NAME=[PROGRAM[@BINARY]:]FILE[,FILE…], NAME=PROGRAM[@BINARY] or NAME=cmd:COMMAND."),
    ] = None,
    scenarios: Annotated[
        str,
        typer.Option(
            help="Comma-separated: standard scenarios, scenarios of the library, or files. Default: those of the "
            "baseline; of a new one, kill and pause."
        ),
    ] = "",
    repeat: Annotated[
        int | None,
        typer.Option(help="Runs of each. Default: as the baseline; of a new one, 6.", min=1, max=MOST_REPEATS),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="--update: seed of plan and arrivals.", min=0)] = None,
    runtime: Annotated[
        RuntimeName | None, typer.Option("--runtime", help="--update: plain processes, or containers. Default: local.")
    ] = None,
    allow_busy: Annotated[
        bool, typer.Option("--allow-busy", help="Count runs on a busy host too, for machines that are always busy.")
    ] = False,
    frontend: Annotated[str, typer.Option(help="Import: where requests enter, if there are several.")] = "",
    pool: Annotated[str, typer.Option(help="Import: the pool of servers to use, if there are several.")] = "",
    host: Annotated[str, typer.Option(help="Host header of all requests.")] = "",
    health: Annotated[str, typer.Option(help="Path that answers 200 through your balancer. Default: /health.")] = "",
    replacing: Annotated[
        list[str] | None, typer.Option("--replace", help="Replace an address in your files: OLD=BACKEND_1, …")
    ] = None,
    results: Annotated[Path, typer.Option(help="Folder for the runs.")] = Path("results"),
    as_json: JsonOption = False,
) -> None:
    """Run scenarios, and exit with 1 if they are significantly worse than the numbers in the baseline.

    Exit codes: 0 not worse, 1 worse, 2 too few runs count (the host was busy), 254 bad arguments or baseline.
    """
    console = message_console(as_json)
    if runtime is RuntimeName.ATTACHED:
        raise BadArgumentsError("--runtime attached: a gate starts what it tests", "--runtime local or docker")
    before = None if update and (files or entry) else read_baseline(baseline)
    named = _named(files or [], entry or [], runtime or (before.runtime if before else RuntimeName.LOCAL))
    options = Options(host=host, health=health, frontend=frontend, pool=pool, replace=tuple(replacing or ()))
    request = Request(named, tuple(words(scenarios)), repeat, seed, runtime or "", allow_busy, options)
    wanted = gate_wanted.new(request) if before is None else gate_wanted.stored(before, baseline, request, update)
    expect_writable(results)
    done = _Gate(wanted, None if update else before, baseline, results, console)
    with indexed(results):
        code, document = done.updated() if update else done.compared()
    if as_json:
        print_json(document)
    raise typer.Exit(code)


def _named(files: Sequence[str], entry_options: Sequence[str], runtime: str) -> tuple[entries.NamedEntry, ...]:
    """Return the entries of the command line. A file is named after itself."""
    named = [each if "=" in each else f"{_own_name(each)}={each}" for each in files]
    found = tuple(entries.parse_named([*named, *entry_options], runtime))
    if running := next((each.name for each in found if each.url or each.lab_file), ""):
        raise BadArgumentsError(f"{running}: a gate starts what it tests", "a file, a program or cmd:COMMAND")
    return found


def _own_name(what: str) -> str:
    program, _, paths = entries.split_program(what)
    return Path(paths.split(",")[0]).name or program


@dataclass(frozen=True, slots=True)
class _Gate:
    """One gate: what to run, with what to compare it, and where its files are."""

    wanted: Wanted
    before: Baseline | None
    """None: there is nothing to compare with, because the baseline is written."""
    path: Path
    results: Path
    console: Terminal

    def compared(self) -> tuple[ExitCode, dict[str, Any]]:
        """Run and compare with the baseline. Return the exit code and the document of `--json`."""
        assert self.before is not None
        before, wanted = self.before, self.wanted
        plans = wanted.plans(before.seed)
        gate_wanted.expect_same_plans(before, plans, self.path)
        names = {each.name: stored_name(each.name, wanted.entries, before) for each in wanted.entries}
        keys = [(name, plan.scenario) for name in names for plan in plans]
        old = {(name, scenario): before.runs[names[name]][scenario].as_runs() for name, scenario in keys}
        fewest = min(len(each["requests"]) for each in old.values())
        gate_wanted.expect_enough_repeats(wanted.repeat, len(keys) * len(MEASURES), fewest)
        comparison, folder, entries_now = self._run(plans, before.seed)
        now = {key: runs_of(counted(comparison, *key, wanted.count_busy)) for key in keys}
        differences = gate_wanted.changes(
            before, {name: (names[name], each) for name, each in entries_now.items()}, comparison.machine
        )
        told = Told(decide(old, now), before.made, wanted.count_busy, comparison, differences)
        write_results(told, folder)
        job_summary.append_text(told.markdown())
        self.console.print(result_table(told))
        self.console.print(told.paragraph(), soft_wrap=True)
        self.console.print(f"{folder}/{PAGE}")
        return ExitCode(told.decision.verdict.exit_code), {**told.as_document(), "folder": str(folder)}

    def updated(self) -> tuple[ExitCode, dict[str, Any]]:
        """Run and write the baseline, if enough runs count. Return the exit code and the document of `--json`."""
        wanted = self.wanted
        seed = random.SystemRandom().randrange(2**32) if wanted.seed is None else wanted.seed
        plans = wanted.plans(seed)
        tests = len(wanted.entries) * len(plans) * len(MEASURES)
        _expect_place(self.path)
        gate_wanted.expect_enough_repeats(wanted.repeat, tests)
        comparison, folder, entries_now = self._run(plans, seed)
        needed = runs_needed(tests)
        short = [
            f"{name} in {plan.scenario}: {runs} of {needed} needed runs count"
            for name in entries_now
            for plan in plans
            if (runs := len(counted(comparison, name, plan.scenario, wanted.count_busy))) < needed
        ]
        if short:
            told = f"{self.path} is not written: {'; '.join(short)}. {left_out(comparison, wanted.count_busy)}"
        else:
            made = make_baseline(wanted, entries_now, plans, comparison, self.path)
            made.write(self.path)
            made.write(folder / self.path.name)  # a CI job keeps the folder
            told = f"{self.path} is written: {', '.join(made.entries)} in {', '.join(made.scenarios)}."
        self.console.print(told, soft_wrap=True)
        verdict = Verdict.UNKNOWN if short else Verdict.PASS
        document = {"verdict": verdict, "paragraph": told, "baseline": str(self.path), "folder": str(folder)}
        return ExitCode(verdict.exit_code), document

    def _run(self, plans: Sequence[Plan], seed: int) -> tuple[Comparison, Path, dict[str, StoredEntry]]:
        """Run everything; return the runs, their folder, and what the entries are now."""
        wanted, options = self.wanted, self.wanted.options
        environment = environment_for(RuntimeName(wanted.runtime), [], any(each.command for each in wanted.entries))
        comparison, folder = begin_comparison(None, self.results, seed, "mixed", environment.name, "gate")
        chosen = [
            with_requests(each, options.host, options.health or HEALTH_PATH)
            for each in entries.from_names(wanted.entries, options.replace, [])
        ]
        chosen = entries.with_routes(chosen, options.frontend, options.pool)
        for line in (line for each in chosen if each.choice.pool for line in changes(each.choice)):
            self.console.print(line, soft_wrap=True)
        keep_entries_inside(chosen, environment, self.console.print)
        comparison.commands.append(command_line(sys.argv[1:]))
        with environment.set_up(self.console.print):
            chosen = entries.with_versions(chosen, environment, comparison)
            expect_programs(chosen)
            entries_now = gate_wanted.stored_entries(wanted, chosen, comparison, self.path)
            folder.mkdir(parents=True, exist_ok=True)
            try:
                run_enough(
                    comparison, chosen, plans, wanted.repeat, wanted.count_busy, folder, environment, self.console.print
                )
            finally:  # also after an interruption, because the runs so far can be read
                (folder / "compare.md").write_text(compare_markdown(comparison), encoding="utf-8")
                write_page(comparison, folder)
        return comparison, folder, entries_now


def _expect_place(path: Path) -> None:
    """Raise `BadArgumentsError` if the baseline cannot be written there, before minutes of runs are spent."""
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise BadArgumentsError(f"--baseline {path}: cannot be written", "name a file in a folder that exists")


def result_table(told: Told) -> Table:
    """Return all comparisons for the terminal."""
    grid = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for number, heading in enumerate(HEADINGS):
        grid.add_column(heading, justify="left" if number < 3 else "right")
    for row in told.rows():
        grid.add_row(*row)
    return grid
