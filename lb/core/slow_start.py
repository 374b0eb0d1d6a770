"""Slow start: the weight of a backend ramps up after it came UP, because its caches are cold and many clients wait."""

from __future__ import annotations

import math
from typing import Final

START: Final = 0.1
"""Share of its weight with which a backend starts: enough requests to show that it works, too few to overload it."""
STEP: Final = 0.05
"""Step of the weight, so that a policy with tables rebuilds them 18 times in a ramp and not at every tick."""


def ramp(up_for: float, duration: float) -> float:
    """Return the share in [START, 1] of its weight for a backend that has been UP for `up_for` of `duration` seconds.

    The ramp is linear and rounded down to a step, so the share is never above the line.
    """
    if up_for >= duration:
        return 1.0
    share = START + (1.0 - START) * up_for / duration
    return max(START, math.floor(share / STEP) * STEP)
