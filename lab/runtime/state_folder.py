"""The folder with the state of a local lab, where later commands find a lab that runs in the background.

It is `.lab` in the working directory if that is writable and not shared. Otherwise it is a folder in the user's home, a
different one for each working directory, so that `lab status` finds what `lab up` started.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ..errors import EnvironmentProblemError

STATE_DIR: Final = "LAB_STATE_DIR"
HERE: Final = Path(".lab")
_PRIVATE: Final = 0o700
"""Access for the owner only: the folder holds tokens, and the state file names a process that `lab down` may kill."""


def state_root(environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder, which need not exist yet: `.lab`, or an absolute path.

    Raise `EnvironmentProblemError` if no folder is suitable.
    """
    environment = os.environ if environment is None else environment
    here = _here()
    if named := environment.get(STATE_DIR):
        return (here or Path("/")) / named
    if here is not None and _here_is_fit(here):
        return HERE
    name = hashlib.sha256(os.fsencode(here or "/")).hexdigest()[:16]
    for parent in _elsewhere(environment):
        if _can_be_made(parent / name):
            return parent / name
    raise EnvironmentProblemError("the lab finds no folder for its files", f"--state-dir DIR, or {STATE_DIR}=DIR")


def _here() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # the working directory has been removed
        return None


def make_private(folder: Path) -> None:
    """Create the folder if missing, with access for its owner only. Raise `EnvironmentProblemError` on failure."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=_PRIVATE if folder != HERE else 0o755)
    except OSError as error:
        raise EnvironmentProblemError(
            f"{folder} cannot be created: {error.strerror}", f"--state-dir DIR, or {STATE_DIR}=DIR"
        ) from error
    if not _writable(folder):
        raise EnvironmentProblemError(f"{folder} cannot be written to", f"--state-dir DIR, or {STATE_DIR}=DIR")


def _elsewhere(environment: Mapping[str, str]) -> list[Path]:
    """Return the absolute folders of the XDG Base Directory Specification, then a temporary folder."""
    home = Path(environment.get("HOME", "/nonexistent"), ".local/state")
    parents = [Path(environment.get("XDG_STATE_HOME", "")), home]
    return [
        *(parent / "reroute" for parent in parents if parent.is_absolute()),
        Path(tempfile.gettempdir()) / f"reroute-lab-{os.getuid()}",
    ]


def _can_be_made(folder: Path) -> bool:
    """Return whether the folder and its parent can be created, or exist and belong to this user."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
        folder.mkdir(exist_ok=True, mode=_PRIVATE)
    except OSError:
        return False
    return all(_writable(each) and _owner(each) == os.geteuid() for each in (folder.parent, folder))


def _here_is_fit(here: Path) -> bool:
    """Return whether `.lab` can be used here. In a shared folder such as /tmp, another user may have created it."""
    if not os.path.lexists(HERE):
        return _writable(here)
    return _writable(HERE) and _owner(HERE) in {os.geteuid(), 0}


def _writable(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _owner(folder: Path) -> int:
    return folder.lstat().st_uid
