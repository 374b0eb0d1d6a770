"""How long the relay's faults delay each chunk of bytes. Pure: random source and time are arguments.

A relay sees bytes, not packets, so it imitates how TCP behaves on a bad link: loss becomes a pause until the
retransmission. Corrupted, duplicated and reordered packets have no effect on bytes, because TCP repairs them.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from random import Random
from typing import Final, get_args

from ..links.impairment import INITIAL_RTO_S, Effect, Impairment
from ..links.mechanisms import RELAY_LACKS
from ..links.netem_random import Bernoulli, DelayDraw, GilbertElliott, loss_process

IMITATED_EFFECTS: Final = frozenset(get_args(Effect)) - RELAY_LACKS.keys()
"""Effects that a relay imitates. `Effects` has all of them but `refuse`, which concerns the listener."""
MAX_BACKOFFS = 6
"""Maximum of consecutive losses of one segment, which delay it by 12.6 s. Longer delays would test nothing more."""


class Line:
    """A link with a limited rate (bit/s), shared by all connections in one direction."""

    def __init__(self, rate_bit_s: float) -> None:
        self._rate_bit_s = rate_bit_s
        self._free = 0.0

    def pass_time(self, size: int, due: float) -> float:
        """Return when `size` bytes that reach the link at `due` have left it."""
        self._free = max(self._free, due) + size * 8 / self._rate_bit_s
        return self._free


class Effects:
    """All faults in one direction of the relay, at most one for each effect."""

    def __init__(self, impairments: Collection[Impairment], direction: str, rng: Random) -> None:
        acting = {each.effect: each for each in impairments if each.direction in (direction, "both")}
        self.silent = "blackhole" in acting
        self._wait = DelayDraw(acting["delay"], rng) if "delay" in acting else None
        self._lose = loss_process(acting["loss"], rng) if "loss" in acting else None
        self._line = Line(acting["bandwidth"].rate_bit_s) if "bandwidth" in acting else None
        self.chunks = 0

    def __bool__(self) -> bool:
        """Return whether there is any fault."""
        return self.silent or any(each is not None for each in (self._wait, self._lose, self._line))

    def due(self, size: int, now: float) -> float:
        """Return when a chunk may leave. Infinity means that it waits until the fault ends."""
        self.chunks += 1
        if self.silent:
            return math.inf
        due = now
        if self._wait is not None:
            due += self._wait.next()
        if self._lose is not None:
            due += stall(self._lose)
        return self._line.pass_time(size, due) if self._line is not None else due


def stall(lose: Bernoulli | GilbertElliott) -> float:
    """Return by how many seconds packet loss delays a byte stream.

    That is the retransmission time-out, which doubles with each further loss of the same segment (RFC 6298 §5.5).
    """
    lost = 0
    while lost < MAX_BACKOFFS and lose.hits():
        lost += 1
    return INITIAL_RTO_S * ((1 << lost) - 1)
