"""Decides whether a worker hangs, by how long it has been silent. Pure: time is an argument."""

from __future__ import annotations

CHECK_S = 0.25
"""Interval of the parent's checks."""
LONGEST_GAP_S = 2 * CHECK_S
"""The most that one interval counts. If the parent itself was stopped (a paused container stops all its processes) or
got no CPU, it could not hear its workers for longer than that, and must not take them for hung."""
STARTING_S = 30.0
"""What a worker may take to accept connections: imports take half a second, and twenty times as long on a host that
is busy with starting everything at once."""


class Liveness:
    """How long one worker has been silent. Every message counts; a healthy worker sends one each second."""

    def __init__(self) -> None:
        self.silent_s = 0.0
        """Seconds since the last message, without time in which the parent could not receive one."""

    def heard(self) -> None:
        """Note that a message has come."""
        self.silent_s = 0.0

    def add_silence(self, gap: float) -> None:
        """Note that the parent checks again after `gap` seconds."""
        self.silent_s += min(gap, LONGEST_GAP_S)

    def is_hung(self, timeout: float, *, started: bool) -> bool:
        """Return whether the worker has been silent for `timeout` seconds (0: never, once it has `started`)."""
        if not started:
            return self.silent_s >= max(timeout, STARTING_S)
        return 0.0 < timeout <= self.silent_s
