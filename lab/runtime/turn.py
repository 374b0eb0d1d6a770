"""One local lab at a time chooses its ports and starts: a port that is only going to be used looks free to others."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from lab.errors import EnvironmentProblemError

TURN_WITHIN_S: Final = 90.0
"""Three labs ahead of this one that each take all the time they may (`READY_WITHIN_S`)."""
POLL_S: Final = 0.05


def lock_path() -> Path:
    """The file that all labs of this user lock, from whatever folder they are started."""
    return Path(tempfile.gettempdir()) / f"reroute-lab-{os.getuid()}.lock"


@contextlib.asynccontextmanager
async def turn(path: Path, stop_asked: asyncio.Event, within_s: float = TURN_WITHIN_S) -> AsyncIterator[None]:
    """Have the start to oneself for the length of the context; also entered, without it, once `stop_asked` is set.

    The lock ends with the process that holds it. Raises `EnvironmentProblemError` where it is not to be had.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise EnvironmentProblemError(
            f"{path} cannot be opened: {error.strerror}", f"rm {path}, or set TMPDIR"
        ) from error
    try:
        until = time.monotonic() + within_s
        while not stop_asked.is_set() and not _taken(descriptor):
            if time.monotonic() > until:
                raise EnvironmentProblemError(
                    f"another lab has been starting for {within_s:g} s", f"see who holds {path}: fuser {path}"
                )
            await asyncio.sleep(POLL_S)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
