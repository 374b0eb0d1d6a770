"""Decides, from the time since its last message, whether a worker hangs. Pure: time is an argument."""

from __future__ import annotations

CHECK_S = 0.25
"""Interval of the parent's checks, in seconds."""
LONGEST_GAP_S = 2 * CHECK_S
"""Upper limit, in seconds, of the silence that one check adds. After a longer gap, the parent itself was paused or had
no CPU and could not receive messages, so that the silence does not mean that the workers hang."""
STARTING_S = 30.0
"""Seconds that a worker may need until it accepts connections. Imports take half a second, but twenty times as long on
a host where many processes start at once."""


class Liveness:
    """How long one worker has sent no message. A healthy worker sends at least one each second."""

    def __init__(self) -> None:
        self.silent_s = 0.0
        """Seconds since the last message, without the time in which the parent could not receive one."""

    def heard(self) -> None:
        """Record that a message has arrived."""
        self.silent_s = 0.0

    def add_silence(self, gap: float) -> None:
        """Record that `gap` seconds have passed since the last check."""
        self.silent_s += min(gap, LONGEST_GAP_S)

    def is_hung(self, timeout: float, *, started: bool) -> bool:
        """Return whether the worker has sent nothing for `timeout` seconds. 0: never, once it has started."""
        if not started:
            return self.silent_s >= max(timeout, STARTING_S)
        return 0.0 < timeout <= self.silent_s
