"""The whole command line, and the only place where errors become a line on stderr and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Annotated, Final

import typer
from typer.exceptions import TyperException

from ..errors import ExitCode, LabError
from ..output import terminal
from ..output.inert import one_line
from ..output.json_text import dumps
from ..release import release
from ..runtime.attached import LAB_FILE
from ..runtime.state_folder import STATE_DIR
from . import completion

_LINES = 40
"""Maximum number of lines of an error: one screen. Further problems of a file are shown when these are fixed."""
_NEXT_LONG = 2000
"""Maximum characters of a next step, which may list every scenario of the library."""
_GLOBAL_OPTIONS = ("--state-dir", "--lab-file")
_REPORT_IT = "run it again with LAB_DEBUG=1 and report the output"
_MENDS = {
    (errno.ENOSPC, errno.EDQUOT, errno.EFBIG): "free some space, or choose other folders: --results, --state-dir",
    (errno.EACCES, errno.EPERM, errno.EROFS): "choose writable folders: --results, --state-dir",
    (errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG): "choose other folders: --results, --state-dir",
    (errno.EMFILE, errno.ENFILE): "raise the limit of open files: ulimit -n",
    (errno.EAGAIN, errno.ENOMEM): "free some memory, or raise the limit of processes: ulimit -u",
}
"""Error numbers of the operating system → next step."""

app = typer.Typer(
    name="lab",
    help="When a backend dies, hangs or slows down: how long does the balancer keep sending it traffic, and what does "
    "that cost the clients?",
    epilog="Exit codes: 0 pass, 1 fail, 2 unknown, 130 interrupted, 141 output closed by its reader, 254 bad "
    "arguments, 255 environment or internal. LAB_DEBUG=1 shows tracebacks.",
    # This would add options that edit the user's files. `lab completion` prints the scripts, which set the variable.
    add_completion=completion.VARIABLE in os.environ,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lab {release()}")
        raise typer.Exit


@app.callback()
def _everywhere(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    state_dir: Annotated[
        Path | None,
        typer.Option(
            envvar=STATE_DIR,
            help="Folder for the files of a running lab. "
            "Default: .lab in the current folder, or a folder of the user if that cannot be written.",
        ),
    ] = None,
    lab_file: Annotated[
        Path | None,
        typer.Option(envvar=LAB_FILE, help="lab.yaml of an attached compose project. Default: the one in this folder."),
    ] = None,
) -> None:
    if state_dir is not None:
        os.environ[STATE_DIR] = str(state_dir)
    if lab_file is not None:
        os.environ[LAB_FILE] = str(lab_file)


COMMANDS: Final = {
    "run": ("run_commands", "run"),
    "up": ("lab_commands", "up"),
    "down": ("lab_commands", "down"),
    "status": ("lab_commands", "status"),
    "attach": ("attach_command", "attach"),
    "init": ("init_command", "init"),
    "scenarios": ("library_commands", "scenarios"),
    "validate": ("scenario_commands", "validate"),
    "schema": ("scenario_commands", "schema"),
    "plan": ("scenario_commands", "plan"),
    "replay": ("run_commands", "replay"),
    "check": ("scenario_commands", "check"),
    "report": ("scenario_commands", "report"),
    "open": ("open_command", "open_page"),
    "compare": ("compare_commands", "compare"),
    "gate": ("gate_command", "gate"),
    "results": ("results_command", "results"),
    "diff": ("diff_command", "diff"),
    "advise": ("advise_commands", "advise_command"),
    "tune": ("tune_command", "tune_command"),
    "doctor": ("doctor_command", "doctor"),
    "faults": ("fault_commands", "app"),
    "bench": ("bench_commands", "app"),
    "completion": ("completion", "completion"),
}
"""Command → its module in `lab.cli`, and its function or group of commands in that module."""


_loaded: Final[set[str]] = set()


def load(*names: str) -> typer.Typer:
    """Import these commands, or all if none is named, and return the command line.

    `run` imports only the command that is called, because importing all takes as long as a short command runs.
    """
    for name in names or COMMANDS:
        if name in _loaded:
            continue
        _loaded.add(name)
        module, attribute = COMMANDS[name]
        command = getattr(import_module(f".{module}", __package__), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. Raise only KeyboardInterrupt; with LAB_DEBUG=1, any error."""
    terminal.prepare()
    os.umask(os.umask(0) & 0o077)  # the lab must be able to read its own files, whatever the caller's umask
    # A shell starts background jobs with SIGINT ignored. SIGTERM, which is handled as SIGINT, must still work.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    if os.environ.get(completion.VARIABLE):
        return _complete()
    as_json = "--json" in arguments
    global_options, arguments = _global_options_first(arguments)
    try:
        if arguments[:1] != ["--version"]:
            load(*arguments[:1]) if arguments and arguments[0] in COMMANDS else load()
        # With standalone_mode, usage errors would exit with 2, which means `unknown` here.
        words = [*global_options, *(arguments or ["--help"])]
        code = typer.main.get_command(app).main(words, prog_name="lab", standalone_mode=False)
        terminal.finish()
        return int(code or ExitCode.PASS)
    except LabError as error:
        return _fail(str(error), error.next_step, error.details, error.exit_code, as_json, error)
    except TyperException as error:
        usage = str(getattr(error, "format_message", error.__str__)()).expandtabs(2)
        command = getattr(getattr(error, "ctx", None), "command_path", "lab")
        return _fail(usage, f"{command} --help", (), ExitCode.BAD_ARGUMENTS, as_json, error)
    except SystemExit as error:  # raised by typer if the output of --help is closed by its reader
        raise terminal.OutputClosedError if error.code == 1 else error from None
    except OSError as error:
        return _fail(*_system_refused(error), (), ExitCode.INTERNAL, as_json, error)
    except Exception as error:  # noqa: BLE001 - the outermost handler: no error ends in a traceback
        message = f"internal error: {type(error).__name__}: {error}"
        return _fail(message, _REPORT_IT, (), ExitCode.INTERNAL, as_json, error)


def _complete() -> int:
    """Print what the shell asks for (see `completion`). Errors are not shown, because the user is still typing.

    Only the command that is being completed is imported; of the others, the names are enough.
    """
    _, words = _global_options_first(completion.typed_words())
    with contextlib.suppress(Exception):
        for name in COMMANDS:
            load(name) if name in words[:1] else app.command(name)(lambda: None)
        typer.main.get_command(app).main([], prog_name="lab", standalone_mode=False)  # raises SystemExit
    return ExitCode.FAIL  # fish completes names of files then, as other shells do without completions


def _global_options_first(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the options of all commands with their values, and all other words. They may follow the command."""
    found: list[str] = []
    rest: list[str] = []
    words = list(arguments)
    while words:
        word = words.pop(0)
        if word == "--":
            return found, [*rest, word, *words]
        if word in _GLOBAL_OPTIONS:
            found += [word, *words[:1]]
            del words[:1]
        else:
            (found if word.partition("=")[0] in _GLOBAL_OPTIONS else rest).append(word)
    return found, rest


def _fail(message: str, next_step: str, details: Sequence[str], code: ExitCode, as_json: bool, error: Exception) -> int:
    if os.environ.get("LAB_DEBUG") == "1":
        raise error
    problem = [one_line(line) for line in message.strip().splitlines()[:_LINES]] or ["no command given"]
    lines = [f"lab: {problem[0]}", *problem[1:], *(f"    {one_line(line)}" for line in details[:_LINES])]
    if next_step:
        lines.append(f"  next: {one_line(next_step, _NEXT_LONG)}")
    terminal.complain("\n".join(lines) + "\n")
    if as_json:
        with contextlib.suppress(OSError):  # stdout may be the cause of the error
            terminal.write(dumps({"error": "\n".join(problem), "next": next_step, "exit_code": int(code)}) + "\n")
    return code


def _system_refused(error: OSError) -> tuple[str, str]:
    """Return message and next step for an error of the operating system."""
    if error.filename is None and error.errno == errno.ENOSPC:  # stdout, because errors of files have a name
        return "standard output cannot be written: the disk is full", "write to another place"
    where, why = error.filename, error.strerror
    for numbers, next_step in _MENDS.items():
        if error.errno in numbers:
            return f"{where}: {why}", next_step
    return f"internal error: {type(error).__name__}: {error}", _REPORT_IT


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Handle SIGTERM and SIGHUP as SIGINT, so that asyncio and every `finally` clean up."""
    signal.raise_signal(signal.SIGINT)
