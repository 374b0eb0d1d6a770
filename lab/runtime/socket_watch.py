"""Ends a balancer under test if it listens beyond loopback or connects to an address outside the lab.

Only needed if it shares this machine's network. In a network of the lab's own (`lab.processes.isolation.network`) it
can do neither.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

from ..processes.isolation.sockets import blame, offences, sockets_of
from .supervised_process import Process

_OFTEN_S: Final = 0.1
_OFTEN_FOR_S: Final = 10.0
"""Seconds between checks while it starts, which is when it binds its ports and makes its first connections."""
_SELDOM_S: Final = 1.0
"""Seconds between later checks. Each check walks /proc and must not become a load of its own."""


async def watch(process: Process, backends: Collection[str], files: Collection[Path]) -> None:
    """Check repeatedly until the balancer had to be ended, or until cancelled."""
    began = time.monotonic()
    while not await end_if_it_leaves(process, backends, files):  # noqa: ASYNC110 - the kernel sends no event
        await asyncio.sleep(_OFTEN_S if time.monotonic() - began < _OFTEN_FOR_S else _SELDOM_S)


async def end_if_it_leaves(process: Process, backends: Collection[str], files: Collection[Path]) -> bool:
    """Check once and return whether it was ended. The reason, with file and line, is in the process and its log."""
    pid = process.report().pid
    found = next(offences(sockets_of(pid), backends), None) if pid else None
    if found is None:
        return bool(process.ended_for)
    process.ended_for = f"{blame(found, files)}{process.spec.name} was ended: {found.what}"
    with process.log.open("a", encoding="utf-8", errors="surrogateescape") as log:
        log.write(f"lab: {process.ended_for}\n")
    await process.stop(0.0)
    return True
