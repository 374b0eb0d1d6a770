"""Discovery of backends: a source is read repeatedly, and differences become the changes `Insert` and `Remove`.

Discovery is fail-static: if a source fails or returns no backend, the problem is more likely in the source than in the
backends, so the last known ones are kept. An answer that takes away most of the backends that pass their checks is not
followed at once either (`retention`).
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
"""How often held backends are looked at again between two readings of the source, in seconds."""


@dataclass(frozen=True, slots=True)
class Insert:
    """The backend is new, or known at another address or weight."""

    member: Member


@dataclass(frozen=True, slots=True)
class Remove:
    """The backend is gone: drain it."""

    id: str


Change = Insert | Remove


class DiscoveryError(Exception):
    """The source could not be read; the message says why, in a few words."""


class Source(Protocol):
    """Something that knows the backends of this moment."""

    @property
    def interval(self) -> float:
        """Seconds between two readings; 0 where one is enough."""

    async def read(self) -> Sequence[Member]:
        """All backends. Raises `DiscoveryError`."""


def diff(known: Mapping[str, Member], found: Sequence[Member]) -> list[Change]:
    """What turns `known` into `found`. Arrivals first: a replaced set is never empty in between."""
    present = {member.id for member in found}
    arrived: list[Change] = [Insert(member) for member in found if known.get(member.id) != member]
    return [*arrived, *(Remove(gone) for gone in known if gone not in present)]


class Follower:
    """Reads one source for as long as it runs and applies what changes, within the rules of `retention`."""

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
        """`complain` is called once when the source starts to fail, and again only after it has worked in between.

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
        """The last good answer of the source."""
        self._failing = False

    @property
    def held(self) -> Mapping[str, float]:
        """The backends that are kept although the source no longer names them; id → the latest time of removal."""
        return self._retention.until()

    async def follow(self, source: Source, rules: Rules) -> None:
        """Replace the source and read it once. Backends that it does not name are removed, unless they are held."""
        self._source = source
        self._retention.rules = rules
        self._failing = False
        await self.step()

    async def run(self) -> None:
        """Read the source repeatedly. Return only if one reading is enough and no backend is held."""
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
        """Read once and apply the difference."""
        try:
            found = await self._source.read()
            if self._known and not found:
                raise DiscoveryError("it names no backend any more")
        except DiscoveryError as error:
            if not self._failing:
                self._complain(f"discovery: {error}; keeping the {len(self._known)} known backends")
            self._failing = True
            return
        self._failing = False
        self._answer = found
        self._settle()

    def force(self) -> None:
        """Apply the last good answer completely, without holding any backend."""
        self._tell((), self._retention.forget())
        self._go_by(self._answer)

    def _settle(self) -> None:
        """Apply the last good answer as far as the rules of `retention` allow. While it fails, remove none."""
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
                Held(now, name, f"discovery would remove it and most others that pass: kept for {hold:g} s at most")
            )
        for name, reason in released.items():
            self._emit(Released(now, name, reason))
