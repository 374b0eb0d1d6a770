"""`lab validate`, `lab plan`, `lab schema`, `lab check` and `lab report`: commands that need no lab."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import BadArgumentsError, EnvironmentProblemError, ExitCode
from ..evidence.record import load_run
from ..evidence.results import LATEST
from ..evidence.run_folder import is_run_folder
from ..judge.judge import judge
from ..output.inert import markdown as cell
from ..output.terminal import complain, write
from ..report import Run, write_reports
from ..report.host_disturbance import busy_host
from ..report.run_files import load
from ..report.summary import JudgedRun, markdown, summary
from ..runtime.attached.lab_file import lab_file_schema
from ..scenario.describe import describe
from ..scenario.file_reader import load_scenario
from ..scenario.json_schema import json_schema
from ..scenario.library import find
from ..scenario.model_file import ModelFileError
from ..scenario.planner import make_plan
from . import candidates
from .common import JsonOption, message_console, print_json

RunArgument = Annotated[
    str,
    typer.Argument(metavar="RUN", help="A run's folder, its id, or `latest`.", autocompletion=candidates.runs),
]


def validate(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE…", help="YAML files, or names from the library.", autocompletion=candidates.scenarios
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Check scenarios without running them; print every problem with file and line. Exit 254 if there is one."""
    verdicts = [_validated(name) for name in files]
    good = all(verdict["valid"] for verdict in verdicts)
    if as_json:
        print_json({"valid": good, "files": verdicts})
    else:
        console = message_console(as_json)
        for verdict in verdicts:
            for line in verdict["problems"] or [f"{verdict['file']}: valid: {verdict['title']}"]:
                console.print(line, soft_wrap=True)
    raise typer.Exit(ExitCode.PASS if good else ExitCode.BAD_ARGUMENTS)


def _validated(name: str) -> dict[str, Any]:
    try:
        path = find(name)
        return {"file": str(path), "valid": True, "title": load_scenario(path).title, "problems": []}
    except ModelFileError as error:
        return {"file": name, "valid": False, "problems": [str(problem) for problem in error.problems]}
    except BadArgumentsError as error:
        return {"file": name, "valid": False, "problems": [str(error)]}


def schema(
    lab_file: Annotated[bool, typer.Option("--of-lab-file", help="The schema of lab.yaml instead.")] = False,
) -> None:
    """Print the JSON Schema of scenario files, for editors; docs/scenario.schema.json is the same."""
    print_json(lab_file_schema() if lab_file else json_schema())


def plan(
    scenario: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO",
            help="A name from the library, or a YAML file.",
            autocompletion=candidates.scenarios,
        ),
    ],
    seed: Annotated[int, typer.Option(help="Seed of every random choice.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print plan.json itself, for `lab replay`.")] = False,
) -> None:
    """Print what would happen: every step with its time. Nothing is started; the same seed gives the same plan."""
    path = find(scenario)
    made = make_plan(load_scenario(path), path.stem, seed)
    if as_json:
        write(made.to_json())
        return
    console = message_console(as_json)
    for line in describe(made):
        console.print(line, soft_wrap=True)


def check(
    run: RunArgument = LATEST,
    results: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("results"),
    as_json: JsonOption = False,
) -> None:
    """Judge a run again from its files, and write verdict.json and the reports again. Exit with the verdict.

    The files of a folder that cannot be written to stay as they are.
    """
    folder = run_folder(run, results)
    verdict = judge(load_run(folder))
    try:
        verdict.write(folder)
        read = write_reports(folder)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise EnvironmentProblemError(f"the verdict cannot be written: {error}", "is the disk full?") from error
        complain(f"lab: the verdict is not saved: {error.filename}: {error.strerror}\n")
        read = load(folder)
    host = busy_host(read.events)
    if as_json:
        print_json({"folder": str(folder), "host": host, **json.loads(verdict.to_json())})
    else:
        message_console(as_json).print(summary([JudgedRun(verdict, folder, host)]))
    raise typer.Exit(verdict.verdict.exit_code)


def report(
    run: RunArgument = LATEST,
    results: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("results"),
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the run's table as Markdown, for a CI job's summary page.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write report.html and junit.xml again from the other files of a run. Exit 2 if those are incomplete."""
    if as_json and as_markdown:
        raise BadArgumentsError("--json and --markdown exclude each other", "choose one of them")
    folder = run_folder(run, results)
    try:
        read = write_reports(folder)
    except OSError as error:
        raise EnvironmentProblemError(
            f"the reports cannot be written: {error}", "check the folder's permissions"
        ) from error
    written = folder.resolve() / "report.html"
    if as_markdown:
        write(_markdown(read, folder))
    elif as_json:
        paths = {"report": str(written), "junit": str(written.with_name("junit.xml"))}
        print_json({**paths, "verdict": read.final_verdict, "problems": read.problems})
    else:
        console = message_console(as_json)
        console.print(str(written), soft_wrap=True)
        for problem in read.damage:
            console.print(f"  {read.final_verdict}: {problem}", soft_wrap=True)
    raise typer.Exit(ExitCode.UNKNOWN if read.damage else ExitCode.PASS)


def _markdown(read: Run, folder: Path) -> str:
    """Return the table, or the problems of a run that was never judged."""
    if read.verdict is None:
        return "".join(f"- {cell(problem)}\n" for problem in read.problems)
    damage = "".join(f"- {read.final_verdict}: {cell(problem)}\n" for problem in read.damage)
    return markdown([JudgedRun(read.verdict, folder, busy_host(read.events))]) + (f"\n{damage}" if damage else "")


def run_folder(run: str, results: Path) -> Path:
    """Return the folder of a run that is named by path, id or `latest`. Raise `BadArgumentsError`."""
    folders = [each for each in (Path(run), results / run) if each.is_dir()]
    if not folders:
        raise BadArgumentsError(f"there is no run {run!r}", f"give a folder, or one of those in {results}/")
    if not (runs := [folder for folder in folders if is_run_folder(folder)]):
        raise BadArgumentsError(f"{folders[0]} is not the folder of a run", f"give one of those in {results}/")
    return runs[0]
