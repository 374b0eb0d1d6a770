"""Finds installed programs and reads their versions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from ..errors import EnvironmentProblemError
from .adapter import Missing, Program

VERSION_TIMEOUT_S: Final = 10.0
_NUMBER = re.compile(r"\d+\.\d+(?:\.\d+)?")


def find(name: str, install: str) -> Program | Missing:
    """Return the program. Search beside this Python (where pip puts it), then PATH, then Debian's daemon folders."""
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"]
    path = shutil.which(name, path=os.pathsep.join(places))
    return Program((path,)) if path else Missing(install)


def version(program: Program, *arguments: str) -> str:
    """Return the first version number that the program prints, on stdout or stderr.

    Raise `EnvironmentProblemError` if it does not run or prints no version.
    """
    argv = [*program.argv, *arguments]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=VERSION_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentProblemError(f"{program.argv[0]} does not run: {error}", "install it again") from error
    found = _NUMBER.search(done.stdout + done.stderr)
    if found is None:
        lines = tuple((done.stdout + done.stderr).strip().splitlines()[-5:])
        raise EnvironmentProblemError(f"{' '.join(argv)} prints no version", "install it again", lines)
    return found[0]
