"""Operates Reroute: the configuration file names the backends, and SIGHUP lets it read the file again."""

from __future__ import annotations

import os
import signal

from ..operating import FileOperator


class RerouteOperator(FileOperator):
    """Writes the file and sends SIGHUP."""

    files = ("lb.yaml",)

    async def activate(self) -> None:
        """Send SIGHUP."""
        os.kill(self.running.pid, signal.SIGHUP)
