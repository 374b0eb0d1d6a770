"""A time-out that received bytes extend, at a minimum rate."""

from __future__ import annotations

from math import inf


class MinimumRateTimer:
    """Runs down with time, and is extended by the time that the received bytes take at the minimum rate, as in Apache's
    `mod_reqtimeout`.

    The remaining time never exceeds the initial one, so that a fast start does not allow a slow end. If every byte
    restored the whole time, one byte per time-out could occupy a connection, and a slot of a backend, for ever.
    """

    __slots__ = ("_min_rate", "_remaining", "_running", "_timeout", "_transferred", "_updated", "since")

    def __init__(self, timeout: float, min_rate: float, now: float, transferred: int = 0) -> None:
        """`timeout` is seconds, `min_rate` bytes per second (0: any byte restores the whole time-out). `transferred` is
        the number of bytes at the start."""
        self.since = now
        """When the timer was started, in monotonic seconds."""
        self._timeout = timeout
        self._min_rate = min_rate
        self._remaining = timeout
        self._updated = now
        self._transferred = transferred
        self._running = True

    def deadline(self, transferred: int, now: float, *, running: bool = True) -> float:
        """Return when the time-out ends if `transferred` bytes have been received in total.

        `running`: whether the time runs from now on.
        """
        if self._running:
            self._remaining -= now - self._updated
        new = transferred - self._transferred
        if new > 0:
            self._remaining = (
                min(self._timeout, self._remaining + new / self._min_rate) if self._min_rate else self._timeout
            )
        self._updated, self._transferred, self._running = now, transferred, running
        return now + self._remaining if running else inf
