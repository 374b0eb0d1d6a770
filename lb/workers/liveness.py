"""Whether a worker still lives, judged by what is heard from it. Pure: time is an argument."""

from __future__ import annotations

CHECK_S = 0.25
"""How often the parent looks."""
LONGEST_GAP_S = 2 * CHECK_S
"""What counts of the time between two looks. A parent that was stopped itself (a paused container stops all of them),
or starved, has heard nothing for that long and must not blame anybody for it."""
STARTING_S = 30.0
"""What a worker may take until it accepts connections: imports take half a second, and twenty times that on a host
that is busy with starting everything at once."""


class Pulse:
    """One worker's signs of life: anything that it says is one, and it says something every second."""

    def __init__(self) -> None:
        self.silent_s = 0.0
        """Seconds that the parent has listened in vain."""

    def beat(self) -> None:
        """It has said something."""
        self.silent_s = 0.0

    def waited(self, gap: float) -> None:
        """The parent looks again after `gap` seconds."""
        self.silent_s += min(gap, LONGEST_GAP_S)

    def stopped(self, timeout: float, *, started: bool) -> bool:
        """Whether it must be taken for hung; `timeout` 0: never, once it has `started`."""
        if not started:
            return self.silent_s >= max(timeout, STARTING_S)
        return 0.0 < timeout <= self.silent_s
