"""Who the backends are. A source is read again and again; differences become `Insert` and `Remove`, nothing else.

Sources fail static: an answer that failed, or that names nobody, says more about the source than about the backends,
so the last known ones stay. Health checks find out soon enough whether they still serve.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Member:
    """One backend as a source names it."""

    id: str
    host: str
    port: int
    weight: float = 1.0


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
    """Reads one source for as long as it runs and applies what changes."""

    def __init__(
        self,
        source: Source,
        apply: Callable[[Change], None],
        complain: Callable[[str], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`complain` is told once when the source starts to fail, and again only after it has worked in between."""
        self._source = source
        self._apply = apply
        self._complain = complain
        self._sleep = sleep
        self._known: dict[str, Member] = {}
        self._failing = False

    async def follow(self, source: Source) -> None:
        """Read another source from now on, once at once; who it does not name leaves."""
        self._source = source
        self._failing = False
        await self.step()

    async def run(self) -> None:
        """Follow the source; returns only where one reading is enough."""
        while True:
            await self.step()
            if not self._source.interval:
                return
            await self._sleep(self._source.interval)

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
        for change in diff(self._known, found):
            self._apply(change)
        self._known = {member.id: member for member in found}
