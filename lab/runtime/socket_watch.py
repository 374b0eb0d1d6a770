"""Ends a balancer under test that listens beyond loopback, or connects to what is not the lab's.

Only needed where it shares this machine's network; in a network of the lab's own it cannot (`lab.isolation.network`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

from lab.isolation.sockets import blame, offences, sockets_of
from lab.runtime.processes import Process

_OFTEN_S: Final = 0.1
_OFTEN_FOR_S: Final = 10.0
"""While it starts, which is when it binds its ports and makes its first checks."""
_SELDOM_S: Final = 1.0
"""Each look walks /proc, which must not become a load of its own."""


async def end_if_it_leaves(process: Process, backends: Collection[str], files: Collection[Path]) -> None:
    """Watch until it does, or until cancelled; the reason is in the process and in its log."""
    began = time.monotonic()
    while True:
        pid = process.report().pid
        found = next(offences(sockets_of(pid), backends), None) if pid else None
        if found is not None:
            process.ended_for = f"{blame(found, files)}{process.spec.name} was ended: {found.what}"
            with process.log.open("a", encoding="utf-8") as log:
                log.write(f"lab: {process.ended_for}\n")
            await process.stop(0.0)
            return
        await asyncio.sleep(_OFTEN_S if time.monotonic() - began < _OFTEN_FOR_S else _SELDOM_S)
