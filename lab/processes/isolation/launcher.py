"""Runs a program that can change only one folder. `launched` returns its command line.

If the kernel allows it, the program runs in its own namespaces for files and processes. It gains no privileges. When it
or this process ends, everything that it started ends too, even in the background. The exit code is the program's, or
128 plus the number of the signal that ended it.
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
"""Exit code if the program could not be started, as in a shell."""
BACKGROUND: Final = 125
"""Exit code if the program went into the background, because its end could not be noticed there."""
_PASSED_ON: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_SETTLE_S: Final = 0.2
"""After a program has ended normally, its children have this many seconds to end too."""
_STEP_S: Final = 0.01


def launched(command: Sequence[str], folder: Path | None) -> tuple[str, ...]:
    """Return the words that run `command` confined to `folder`. Without a folder, its files are not confined."""
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
        _tell(f"this host does not allow the program to have its own namespaces: {problem}")
    _pass_signals_to(child)
    return _code(_wait_for(child))


def _own_namespaces(flags: int) -> str:
    """Create the namespaces. Return why that failed, or an empty string."""
    try:
        try:
            kernel.unshare(flags)
        except PermissionError:
            kernel.own_user_namespace(flags)
    except OSError as error:
        return str(error)
    return ""


def _first_process(folder: str, command: Sequence[str], *, confined: bool) -> int:
    """Start the program and become the parent of all processes that it leaves behind. They end with this process."""
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
        _tell("the program went into the background; it is now ended")
        code = BACKGROUND
    if not confined:  # otherwise the kernel ends all processes with this one, the first of the namespace
        _end_all()
    return code


def _tell(text: str) -> None:
    """Write a line to the program's log."""
    sys.stderr.write(f"lab: {text}\n")
    sys.stderr.flush()


def _become(command: Sequence[str]) -> NoReturn:
    try:
        kernel.die_with_parent(signal.SIGKILL)
        os.environ.pop(
            "PYTHONSAFEPATH", None
        )  # set by `lab.processes.launch`; a Python program may need the modules in its own folder
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
    """Return the child's wait status; reap other children meanwhile."""
    while True:
        ended, status = os.wait()
        if ended == child:
            return status


def _code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _left_after(settle_s: float) -> bool:
    """Return whether some of its processes still run `settle_s` seconds after the program ended."""
    until = time.monotonic() + settle_s
    while _any_child() and time.monotonic() < until:
        time.sleep(_STEP_S)
    return _any_child()


def _any_child() -> bool:
    """Return whether a child is alive; reap those that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _end_all() -> None:
    """Send SIGKILL to all children, including those that become children when their own parent ends."""
    children = Path("/proc/thread-self/children")
    while _any_child() and (pids := children.read_text(encoding="ascii").split()):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        time.sleep(_STEP_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
