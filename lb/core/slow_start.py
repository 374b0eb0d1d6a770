"""The ramp of a backend that has just come UP: cold caches and a herd of waiting clients do not go together."""

from __future__ import annotations

import math
from typing import Final

START: Final = 0.1
"""The share of its weight with which a backend begins: enough to see it answer, too little to hurt."""
STEP: Final = 0.05
"""Weights move in such steps, so that a policy with tables rebuilds them 18 times in a ramp and not at every tick."""


def ramp(up_for: float, duration: float) -> float:
    """The share of its weight, in [START, 1], of a backend that has been UP for `up_for` of `duration` seconds.

    Linear, rounded down to a step: the share is never above the line.
    """
    if up_for >= duration:
        return 1.0
    share = START + (1.0 - START) * up_for / duration
    return max(START, math.floor(share / STEP) * STEP)
