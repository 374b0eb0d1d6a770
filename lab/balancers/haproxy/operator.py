"""Operates HAProxy: servers are added, drained and removed by the runtime API; a reload keeps the listening sockets.

The file is written too, so that the next reload has the same servers. The master process (`-W`) starts a new worker at
SIGUSR2 and passes the listening sockets to it; the old worker ends when its connections have ended.
"""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from typing import Final

from ...errors import EnvironmentProblemError
from ..operating import FileOperator
from ..requirements import Backend
from . import server_options

_WITHIN_S: Final = 5.0


class HaproxyOperator(FileOperator):
    """Uses the runtime API for servers, and SIGUSR2 for reloads."""

    files = ("haproxy.cfg",)

    async def add(self, backend: Backend) -> None:
        """Add a server with the options of the others; it begins in maintenance, and without its checks."""
        name = f"backends/{backend.id}"
        await self._say(f"add server {name} {backend.address} {server_options(self.spec)}", "registered")
        await self._say(f"enable health {name}")
        await self._say(f"enable server {name}")
        self._keep((*self.spec.backends, backend))

    async def replace(self, old: str, new: Backend) -> None:
        """Add the new server, then drain the old one."""
        await self.add(new)
        await self.remove(old)

    async def remove(self, old: str) -> None:
        """Drain the server. The next reload removes it: `del server` is refused while it has connections."""
        await self._say(f"set server backends/{old} state drain")
        self._keep(tuple(each for each in self.spec.backends if each.id != old))

    async def activate(self) -> None:
        """Send SIGUSR2 to the master process."""
        os.kill(self.running.pid, signal.SIGUSR2)

    def _keep(self, backends: tuple[Backend, ...]) -> None:
        self.spec = replace(self.spec, backends=backends)
        self.write(*self.files)

    async def _say(self, command: str, expected: str = "") -> None:
        """Send one command to the runtime API. Raise `EnvironmentProblemError` unless the answer is as expected."""
        address = self.spec.admin
        try:
            async with asyncio.timeout(_WITHIN_S):
                reader, writer = await asyncio.open_connection(address.host, address.port)
                writer.write(f"{command}\n".encode())
                said = (await reader.read()).decode(errors="replace").strip()
                writer.close()
        except (OSError, TimeoutError) as error:
            raise EnvironmentProblemError(f"HAProxy's runtime API at {address}: {error or 'no answer'}") from error
        if expected not in said or (said and not expected):
            raise EnvironmentProblemError(f"HAProxy's runtime API answered {command!r} with: {said}")
