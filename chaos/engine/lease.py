"""The lease: a file that the chaos service touches while it works. The reaper acts once it is too old."""

from __future__ import annotations

import time
from pathlib import Path

RENEW_EVERY_S = 0.5
DEAD_AFTER_S = 3.0
"""Six renewals missed: the service is dead. The reaper looks every 0.5 s; with the undo itself, a fault is healed
within 5 s of its end even when the service froze just before."""


class Lease:
    """`<state>/lease`; its modification time is the whole content, in wall-clock time that two containers share."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "lease"

    def renew(self) -> None:
        """Note that the service works."""
        self._path.touch(mode=0o600)

    def age_s(self) -> float:
        """Return the seconds since the last renewal; infinite before the first."""
        try:
            return max(0.0, time.time() - self._path.stat().st_mtime)
        except FileNotFoundError:
            return float("inf")
