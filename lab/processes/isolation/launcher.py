"""Runs a program that can change only one folder. `launched` returns its command line.

The program runs in namespaces of its own for files and processes, where the kernel allows them. It gains no
privileges. When it ends, or this process does, everything that it started ends too, in the background or not. The exit
code is the program's, or 128 and the number of the signal that ended it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from ..launch import words
from . import files, kernel

_ANYWHERE: Final = "-"
NOT_RUN: Final = 127
"""Exit code of a program that could not be started, as a shell's."""
BACKGROUND: Final = 125
"""Exit code where the program went into the background: nobody can tell when it ends."""
_PASSED_ON: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_SETTLE_S: Final = 0.2
"""Children of a program that ended in an ordinary way get so long to end too."""
_STEP_S: Final = 0.01


def launched(command: Sequence[str], folder: Path | None) -> tuple[str, ...]:
    """The words that run `command` so. Without a folder its files are left alone."""
    return words("lab.processes.isolation.launcher", str(folder or _ANYWHERE), "--", *command)


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    folder, _, *command = arguments
    kernel.die_with_parent(signal.SIGKILL)
    kernel.no_new_privileges()
    problem = _own_namespaces(kernel.CLONE_NEWPID | (0 if folder == _ANYWHERE else kernel.CLONE_NEWNS))
    child = os.fork()
    if not child:
        os._exit(_first_process(folder, command, confined=not problem))
    if problem:
        _tell(f"this host gives the program no namespaces of its own: {problem}")
    _pass_signals_to(child)
    return _code(_wait_for(child))


def _own_namespaces(flags: int) -> str:
    """Return why not, or an empty string."""
    try:
        try:
            kernel.unshare(flags)
        except PermissionError:
            kernel.own_user_namespace(flags)
    except OSError as error:
        return str(error)
    return ""


def _first_process(folder: str, command: Sequence[str], *, confined: bool) -> int:
    """Start the program and be the parent of all that it leaves behind; everything ends with this process."""
    kernel.die_with_parent(signal.SIGKILL)
    if not confined:
        kernel.adopt_orphans()
    elif folder != _ANYWHERE:
        try:
            files.confine(Path(folder))
        except OSError as error:
            _tell(f"the program's files cannot be confined: {error}")
    child = os.fork()
    if not child:
        _become(command)
    _pass_signals_to(child)
    code = _code(_wait_for(child))
    if _left_after(_SETTLE_S) and code == 0:
        _tell("the program went into the background, where it is ended now")
        code = BACKGROUND
    if not confined:  # else the kernel ends all with this, the first process of the namespace
        _end_all()
    return code


def _tell(text: str) -> None:
    """A line in the program's own log."""
    sys.stderr.write(f"lab: {text}\n")
    sys.stderr.flush()


def _become(command: Sequence[str]) -> NoReturn:
    try:
        kernel.die_with_parent(signal.SIGKILL)
        os.environ.pop(
            "PYTHONSAFEPATH", None
        )  # of `lab.processes.launch`; a program in Python may want its own folder's modules
        os.execvp(command[0], list(command))
    except OSError as error:
        _tell(f"{command[0]} cannot be started: {error.strerror}")
        os._exit(NOT_RUN)


def _pass_signals_to(child: int) -> None:
    def pass_on(number: int, _: FrameType | None) -> None:
        os.kill(child, number)

    for number in _PASSED_ON:
        signal.signal(number, pass_on)


def _wait_for(child: int) -> int:
    """Its wait status; other children that end meanwhile are reaped."""
    while True:
        ended, status = os.wait()
        if ended == child:
            return status


def _code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _left_after(settle_s: float) -> bool:
    """Whether a moment after the program ended there are still processes of it."""
    until = time.monotonic() + settle_s
    while _any_child() and time.monotonic() < until:
        time.sleep(_STEP_S)
    return _any_child()


def _any_child() -> bool:
    """Whether there is a child that lives; those that have ended are reaped."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _end_all() -> None:
    """SIGKILL to all children, also to those that become so only when their own parent has ended."""
    children = Path("/proc/thread-self/children")
    while _any_child() and (pids := children.read_text(encoding="ascii").split()):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        time.sleep(_STEP_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
