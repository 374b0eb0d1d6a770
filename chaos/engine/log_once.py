"""Says once that something is lost, and once that it is back, however often it is looked at in between."""

from __future__ import annotations

import logging

from ..errors import ChaosError


class Outage:
    """One observer's view of its runtime."""

    def __init__(self, log: logging.Logger, observer: str) -> None:
        self._log = log
        self._observer = observer
        self._code: str | None = None

    def failed(self, error: ChaosError) -> None:
        """A look failed. Said when it is the first, or fails for another reason than the one before."""
        if error.code != self._code:
            self._log.warning("%s: %s (silent from here until that changes)", self._observer, error.detail)
        self._code = error.code

    def succeeded(self) -> None:
        """A look went well."""
        if self._code is not None:
            self._log.warning("%s: all is well again after %s", self._observer, self._code)
        self._code = None
