"""Decides for each packet of an impaired link whether it is lost, delayed, corrupted or duplicated. Pure.

Jitter does not reorder packets of one flow (reordering is a fault of its own), but it may reorder packets of different
flows, as on a real path.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from ..links.impairment import Impairment
from ..links.netem_random import Bernoulli, DelayDraw, loss_process

FLOWS_MAX = 4096
"""If the table has more flows than this, flows without a delayed packet are removed from it."""


@dataclass(frozen=True, slots=True)
class PacketDecision:
    """What happens to one packet. `due` is when it leaves, in seconds on the caller's clock."""

    due: float
    lost: bool = False
    corrupted: bool = False
    duplicated: bool = False


class LinkEffects:
    """All impairments of one direction of a link, at most one for each effect, applied in the order of netem."""

    def __init__(self, impairments: Iterable[Impairment], rng: Random) -> None:
        kinds = {each.effect: each for each in impairments}
        loss, delay, rate = kinds.get("loss"), kinds.get("delay"), kinds.get("bandwidth")
        self._double = _coin(kinds.get("duplicate"), rng)
        self._lose = loss_process(loss, rng) if loss else None
        self._corrupt = _coin(kinds.get("corrupt"), rng)
        self._overtake = _coin(kinds.get("reorder"), rng)
        wait = delay or kinds.get("reorder")
        self._wait = DelayDraw(wait, rng) if wait else None
        self._rate_bit_s = rate.rate_bit_s if rate else 0.0
        self._line_free = 0.0
        self._last_due: dict[bytes, float] = {}

    def decide(self, flow: bytes, size: int, now: float) -> PacketDecision:
        """Return the decision for a packet of `size` bytes."""
        duplicated = self._double is not None and self._double.hits()
        if self._lose is not None and self._lose.hits():
            return PacketDecision(now, lost=True)
        corrupted = self._corrupt is not None and self._corrupt.hits()
        return PacketDecision(self._due(flow, size, now), corrupted=corrupted, duplicated=duplicated)

    def _due(self, flow: bytes, size: int, now: float) -> float:
        overtakes = self._overtake is not None and self._overtake.hits()
        due = now if overtakes or self._wait is None else now + self._wait.next()
        if not overtakes:
            due = max(due, self._last_due.get(flow, 0.0))
            self._remember(flow, due, now)
        if self._rate_bit_s:
            self._line_free = max(self._line_free, due) + size * 8 / self._rate_bit_s
            due = self._line_free
        return due

    def _remember(self, flow: bytes, due: float, now: float) -> None:
        if len(self._last_due) > FLOWS_MAX:
            self._last_due = {each: last for each, last in self._last_due.items() if last > now}
        self._last_due[flow] = due


def _coin(impairment: Impairment | None, rng: Random) -> Bernoulli | None:
    return Bernoulli(impairment.share, impairment.correlation, rng) if impairment else None
