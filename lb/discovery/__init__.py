"""Discovery of backends. A source is read repeatedly, and differences become the changes `Insert` and `Remove`.

Discovery is fail-static: if a source fails or returns no backend, the problem is more likely in the source than in the
backends, so the last known ones are kept. An answer that would remove most of the backends that pass their checks is
not applied at once either (`retention`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..core.events import Emit, Held, Released
from .member import Member
from .retention import FOLLOW_ALL, Retention, Rules

RECHECK_S = 0.5
"""Interval, in seconds, at which held backends are reconsidered between two readings of the source."""


@dataclass(frozen=True, slots=True)
class Insert:
    """The backend is new, or its address or weight has changed."""

    member: Member


@dataclass(frozen=True, slots=True)
class Remove:
    """The backend is no longer named and is to be drained."""

    id: str


Change = Insert | Remove


class DiscoveryError(Exception):
    """The source could not be read. The message says why in a few words."""


class Source(Protocol):
    """A source that names the current backends."""

    @property
    def interval(self) -> float:
        """Return the seconds between two readings, or 0 if one reading is enough."""

    async def read(self) -> Sequence[Member]:
        """Return all backends. Raise DiscoveryError if the source cannot be read."""


def diff(known: Mapping[str, Member], found: Sequence[Member]) -> list[Change]:
    """Return the changes from `known` to `found`. Inserts come first, so that the set never becomes empty."""
    present = {member.id for member in found}
    arrived: list[Change] = [Insert(member) for member in found if known.get(member.id) != member]
    return [*arrived, *(Remove(gone) for gone in known if gone not in present)]


class Follower:
    """Reads a source repeatedly and applies its changes, within the rules of `retention`."""

    def __init__(
        self,
        source: Source,
        apply: Callable[[Change], None],
        complain: Callable[[str], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rules: Rules = FOLLOW_ALL,
        passing: Callable[[], Collection[str]] = frozenset,
        emit: Emit = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`complain` is called when the source starts to fail, and again only after the source has recovered.

        `passing` returns the ids of all backends that pass their checks and have a weight.
        """
        self._source = source
        self._apply = apply
        self._complain = complain
        self._sleep = sleep
        self._retention = Retention(rules)
        self._passing = passing
        self._emit = emit
        self._clock = clock
        self._known: dict[str, Member] = {}
        self._answer: Sequence[Member] = ()
        """The last valid answer of the source."""
        self._failing = False

    @property
    def held(self) -> Mapping[str, float]:
        """Latest time of removal of each backend that is kept although the source no longer names it, by id."""
        return self._retention.until()

    async def follow(self, source: Source, rules: Rules) -> None:
        """Replace the source and read the new one once. Backends not in it are removed, unless they are held."""
        self._source = source
        self._retention.rules = rules
        self._failing = False
        await self.step()

    async def run(self) -> None:
        """Read the source repeatedly until cancelled. Return if one reading is enough and no backend is held."""
        while True:
            await self.step()
            interval = left = self._source.interval
            while self.held and (left > 0 or not interval):
                pause = min(RECHECK_S, left) if interval else RECHECK_S
                await self._sleep(pause)
                left -= pause
                self._settle()
            if not interval:
                return
            if left > 0:
                await self._sleep(left)

    async def step(self) -> None:
        """Read the source once and apply the differences."""
        try:
            found = await self._source.read()
            if self._known and not found:
                raise DiscoveryError("the source names no backend any more")
        except DiscoveryError as error:
            if not self._failing:
                self._complain(f"discovery: {error}; keeping the {len(self._known)} known backends")
            self._failing = True
            return
        self._failing = False
        self._answer = found
        self._settle()

    def force(self) -> None:
        """Apply the last valid answer completely, without holding any backend."""
        self._tell((), self._retention.forget())
        self._go_by(self._answer)

    def _settle(self) -> None:
        """Apply the last valid answer as far as `retention` allows. While the source fails, change nothing."""
        if self._failing:
            return
        settled = self._retention.settle(self._known, self._answer, self._passing(), self._clock())
        self._go_by(settled.members)
        self._tell(settled.held, settled.released or {})

    def _go_by(self, members: Sequence[Member]) -> None:
        for change in diff(self._known, members):
            self._apply(change)
        self._known = {member.id: member for member in members}

    def _tell(self, held: Collection[str], released: Mapping[str, str]) -> None:
        now, hold = self._clock(), self._retention.rules.hold
        for name in held:
            self._emit(
                Held(
                    now,
                    name,
                    f"discovery would remove it and most others that pass their checks; kept for at most {hold:g} s",
                )
            )
        for name, reason in released.items():
            self._emit(Released(now, name, reason))
