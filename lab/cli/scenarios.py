"""`lab validate` and `lab report`: files in, files out; no lab needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lab.cli.common import JsonOption, answer, people
from lab.errors import BadArgumentsError, EnvironmentProblemError, ExitCode
from lab.report import Run, is_run, write_reports
from lab.report.summary import Judged, markdown
from lab.scenario.library import find
from lab.scenario.loader import ScenarioError, load_scenario


def validate(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="YAML files, or names from the library.")],
    as_json: JsonOption = False,
) -> None:
    """Check scenarios without running them: every problem with file and line. Exit 254 where there is one."""
    verdicts = [_validated(name) for name in files]
    good = all(verdict["valid"] for verdict in verdicts)
    if as_json:
        answer({"valid": good, "files": verdicts})
    else:
        console = people(as_json)
        for verdict in verdicts:
            for line in verdict["problems"] or [f"{verdict['file']}: valid: {verdict['title']}"]:
                console.print(line, soft_wrap=True)
    raise typer.Exit(ExitCode.PASS if good else ExitCode.BAD_ARGUMENTS)


def _validated(name: str) -> dict[str, Any]:
    try:
        path = find(name)
        return {"file": str(path), "valid": True, "title": load_scenario(path).title, "problems": []}
    except ScenarioError as error:
        return {"file": name, "valid": False, "problems": [str(problem) for problem in error.problems]}
    except BadArgumentsError as error:
        return {"file": name, "valid": False, "problems": [str(error)]}


def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, its id, or `latest`.")] = "latest",
    results: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("results"),
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the run's table as Markdown, for a CI job's summary page.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write report.html and junit.xml again from the other files of a run. Exit 2 where those are not whole."""
    if as_json and as_markdown:
        raise BadArgumentsError("--json and --markdown exclude each other", "choose one of them")
    folder = _folder(run, results)
    try:
        read = write_reports(folder)
    except OSError as error:
        raise EnvironmentProblemError(
            f"the reports cannot be written: {error}", "check the folder's permissions"
        ) from error
    written = folder.resolve() / "report.html"
    if as_markdown:
        typer.echo(_markdown(read, folder), nl=False)
    elif as_json:
        paths = {"report": str(written), "junit": str(written.with_name("junit.xml"))}
        answer({**paths, "verdict": read.word, "problems": read.problems})
    else:
        console = people(as_json)
        console.print(str(written), soft_wrap=True)
        for problem in read.damage:
            console.print(f"  {read.word}: {problem}", soft_wrap=True)
    raise typer.Exit(ExitCode.UNKNOWN if read.damage else ExitCode.PASS)


def _markdown(read: Run, folder: Path) -> str:
    """The table, unless the run was never judged: then what is the matter with it."""
    if read.verdict is None:
        return "".join(f"- {problem}\n" for problem in read.problems)
    damage = "".join(f"- {read.word}: {problem}\n" for problem in read.damage)
    return markdown([Judged(read.verdict, folder)]) + damage


def _folder(run: str, results: Path) -> Path:
    folders = [each for each in (Path(run), results / run) if each.is_dir()]
    if not folders:
        raise BadArgumentsError(f"there is no run {run!r}", f"give a folder, or one of those in {results}/")
    if not (runs := [folder for folder in folders if is_run(folder)]):
        raise BadArgumentsError(f"{folders[0]} is not the folder of a run", f"give one of those in {results}/")
    return runs[0]
