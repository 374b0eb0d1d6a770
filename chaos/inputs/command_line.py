"""Code shared by `python -m chaos` and `python -m chaos.reaper`: usage, settings, one-line errors."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, NoReturn

from .settings import Settings, SettingsError

BAD_ARGUMENTS = 254
BAD_ENVIRONMENT = 255


class CommandError(Exception):
    """The command cannot run. It holds a one-line message, what the user should do next, and the exit code."""

    def __init__(self, detail: str, next_step: str, exit_code: int = BAD_ENVIRONMENT) -> None:
        super().__init__(detail)
        self.detail = detail
        self.next_step = next_step
        self.exit_code = exit_code


class RuntimeLostError(CommandError):
    """This process can never reach the runtime again. It ends, so that a restart policy starts a new one that can."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, "start it again (a restart policy does)")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise CommandError, for one line and exit code 254 instead of argparse's usage text and 2."""
        raise CommandError(message, f"{self.prog} --help", BAD_ARGUMENTS)


def run(
    module: str,
    purpose: str,
    body: Callable[[Settings], Coroutine[Any, Any, None]],
    arguments: Sequence[str] | None = None,
) -> int:
    """Run `body` with the settings from the environment. Return the exit code.

    254: arguments or variables are invalid. 255: the host lacks something, such as a free port.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    try:
        _parser(module, purpose).parse_args(arguments)
        asyncio.run(body(_settings(module)))
    except CommandError as error:
        return _complain(module, error)
    except OSError as error:
        return _complain(module, CommandError(str(error), "correct this, then start it again"))
    return 0


def make_state_dir(path: Path) -> None:
    """Create the folder. Raise CommandError if it cannot be written to."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CommandError(
            f"cannot write to CHAOS_STATE_DIR={str(path)!r}: {reason}",
            "set CHAOS_STATE_DIR to a folder that this user can write to",
        ) from error


def _settings(module: str) -> Settings:
    try:
        return Settings.from_environment(os.environ)
    except SettingsError as error:
        raise CommandError(str(error), f"python -m {module} --help lists the variables", BAD_ARGUMENTS) from error


def _parser(module: str, purpose: str) -> _Parser:
    rows = [f"  {name:<24} {default or '(empty)':<14} {meaning}" for name, default, meaning in Settings.variables()]
    return _Parser(
        prog=f"python -m {module}",
        description=purpose,
        epilog="\n".join(["environment variables, their defaults and meaning:", *rows]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _complain(module: str, error: CommandError) -> int:
    sys.stderr.write(f"{module.rpartition('.')[2]}: {error.detail}\n  next: {error.next_step}\n")
    return error.exit_code
