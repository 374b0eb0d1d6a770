"""What the relay's faults do to chunks of bytes: how long each is held back. The random source and time are given.

A byte relay shows what TCP makes of a bad link, not the link: loss is silence until the retransmission. Corrupted,
duplicated and overtaking packets it cannot show at all: TCP mends them below the bytes.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from random import Random

from ..links.impairment import INITIAL_RTO_S, Impairment
from ..links.netem_random import Bernoulli, DelayDraw, GilbertElliott, loss_process

KINDS = frozenset({"delay", "loss", "bandwidth", "blackhole", "refuse"})
"""What the relay can do."""
MAX_BACKOFFS = 6
"""A segment lost more often in a row than this has stalled for 12.6 s: longer tells nothing new."""


class Line:
    """A link of limited rate, shared by all connections in one direction."""

    def __init__(self, rate_bit_s: float) -> None:
        self._rate_bit_s = rate_bit_s
        self._free = 0.0

    def pass_time(self, size: int, due: float) -> float:
        """When `size` bytes that come to it at `due` have passed it."""
        self._free = max(self._free, due) + size * 8 / self._rate_bit_s
        return self._free


class Effects:
    """All faults on one direction of the relay; at most one of a kind."""

    def __init__(self, impairments: Collection[Impairment], direction: str, rng: Random) -> None:
        acting = {each.effect: each for each in impairments if each.direction in (direction, "both")}
        self.silent = "blackhole" in acting
        self._wait = DelayDraw(acting["delay"], rng) if "delay" in acting else None
        self._lose = loss_process(acting["loss"], rng) if "loss" in acting else None
        self._line = Line(acting["bandwidth"].rate_bit_s) if "bandwidth" in acting else None
        self.chunks = 0

    def __bool__(self) -> bool:
        """Whether anything is held back at all."""
        return self.silent or any(each is not None for each in (self._wait, self._lose, self._line))

    def due(self, size: int, now: float) -> float:
        """When a chunk may go on; infinite means: when the fault is over."""
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
    """What a byte stream shows of packet loss: silence until the retransmission, which doubles each time it is lost
    again (RFC 6298 §5.5)."""
    lost = 0
    while lost < MAX_BACKOFFS and lose.hits():
        lost += 1
    return INITIAL_RTO_S * ((1 << lost) - 1)
