"""Operates nginx: every change is a reload (`nginx -s reload`, that is SIGHUP to the master process).

New worker processes take over the listening socket, and the old ones end when their connections have ended.
"""

from __future__ import annotations

import os
import signal

from ..operating import FileOperator


class NginxOperator(FileOperator):
    """Writes the file and sends SIGHUP."""

    files = ("nginx.conf",)

    async def activate(self) -> None:
        """Send SIGHUP to the master process."""
        os.kill(self.running.pid, signal.SIGHUP)
