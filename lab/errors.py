"""How the lab fails: one clear line, what to do next, and the exit code that goes with it.

The codes are the field's convention (Jepsen's), so that a CI job can tell a failed experiment from a broken machine.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What `lab` exits with."""

    PASS = 0
    FAIL = 1
    UNKNOWN = 2
    INTERRUPTED = 130
    """Ctrl-C or SIGTERM (128 + SIGINT): everything that was started has been stopped."""
    BAD_ARGUMENTS = 254
    INTERNAL = 255
    """The machine lacks something, or the lab itself broke."""


class LabError(Exception):
    """An expected failure: `str(error)` is one line for people, `next_step` says what mends it.

    `details` are further lines for whom the first is not enough, such as the end of a log.
    """

    exit_code = ExitCode.INTERNAL

    def __init__(self, message: str, next_step: str = "", details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.next_step = next_step
        self.details = details


class BadArgumentsError(LabError):
    """The caller asked for something that does not exist or does not parse; nothing was started."""

    exit_code = ExitCode.BAD_ARGUMENTS


class EnvironmentProblemError(LabError):
    """This machine cannot do it now: no Docker, a port in use, a process that does not come up."""
