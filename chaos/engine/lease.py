"""The lease: a file that the chaos service touches while it works. The reaper acts once it is too old."""

from __future__ import annotations

import time
from pathlib import Path

RENEW_EVERY_S = 0.5
DEAD_AFTER_S = 3.0
"""Age, in seconds, at which the service counts as dead: six missed renewals. The reaper checks every 0.5 s, so even
if the service freezes just before the end of a fault, the fault is healed within 5 s of its end."""


class Lease:
    """The file `<state>/lease`. Only its modification time matters: wall-clock time, which containers share."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "lease"

    def renew(self) -> None:
        """Set the file's modification time to now."""
        self._path.touch(mode=0o600)

    def age_s(self) -> float:
        """Return the seconds since the last renewal; infinite before the first."""
        try:
            return max(0.0, time.time() - self._path.stat().st_mtime)
        except FileNotFoundError:
            return float("inf")
