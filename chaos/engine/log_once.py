"""Logs a repeated failure once when it begins, and once when it ends."""

from __future__ import annotations

import logging

from ..errors import ChaosError


class LogOnce:
    """Logs the failures of one task. `observer` is its name in the messages."""

    def __init__(self, log: logging.Logger, observer: str) -> None:
        self._log = log
        self._observer = observer
        self._code: str | None = None

    def failed(self, error: ChaosError) -> None:
        """Log the failure, unless the last attempt failed for the same reason."""
        if error.code != self._code:
            self._log.warning("%s: %s (not logged again until this changes)", self._observer, error.detail)
        self._code = error.code

    def succeeded(self) -> None:
        """Log the recovery, if the last attempt failed."""
        if self._code is not None:
            self._log.warning("%s: recovered from %s", self._observer, self._code)
        self._code = None
