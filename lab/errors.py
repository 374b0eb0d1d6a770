"""Errors of the lab, each with a message, the next step for the user, and an exit code.

The exit codes follow Jepsen's convention, so that a CI job can tell a failed experiment from a problem of the machine.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of `lab`."""

    PASS = 0
    FAIL = 1
    UNKNOWN = 2
    INTERRUPTED = 130
    """Ctrl-C or SIGTERM (128 + SIGINT). Everything that was started has been stopped."""
    BAD_ARGUMENTS = 254
    INTERNAL = 255
    """Something is missing on this machine, or the lab itself has a bug."""


class LabError(Exception):
    """An expected error. `str(error)` is one line for people; `next_step` says how to solve the problem.

    `details` are further lines, such as the end of a log.
    """

    exit_code = ExitCode.INTERNAL

    def __init__(self, message: str, next_step: str = "", details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.next_step = next_step
        self.details = details


class BadArgumentsError(LabError):
    """An argument or input file is invalid, or names something that does not exist; nothing was started."""

    exit_code = ExitCode.BAD_ARGUMENTS


class EnvironmentProblemError(LabError):
    """This machine cannot do it now. For example, Docker is missing, a port is in use, or a process does not start."""
