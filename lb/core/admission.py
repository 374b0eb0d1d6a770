"""Who waits while every backend is full, for how long, and who goes first.

The queue is short and its wait bounded: a request that waits longer than its client costs a slot and helps nobody.
Only first attempts queue. A retry that finds everything else full gives up instead: it would add to an overload.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count

from .exchange import Exchange
from .settings import AdmissionSettings


class Queue:
    """Bounded; hands out the exchange whose deadline comes first."""

    def __init__(self, settings: AdmissionSettings) -> None:
        self._settings = settings
        self._entered: dict[Exchange, float] = {}
        self._order: list[tuple[float, int, Exchange]] = []
        self._tickets = count()

    def use(self, settings: AdmissionSettings) -> None:
        """Go by other settings; whoever waits already keeps its place."""
        self._settings = settings

    def __len__(self) -> int:
        return len(self._entered)

    def enter(self, exchange: Exchange, now: float) -> bool:
        """Wait for a free slot; False if the queue is full."""
        if len(self._entered) >= self._settings.max_queue:
            return False
        self._entered[exchange] = now
        heappush(self._order, (exchange.deadline, next(self._tickets), exchange))
        return True

    def leave(self, exchange: Exchange) -> None:
        """Handed out, or its client is gone. No harm if it does not wait."""
        self._entered.pop(exchange, None)

    def first(self) -> Exchange | None:
        """Who goes next; it stays until it leaves."""
        while self._order and self._order[0][2] not in self._entered:
            heappop(self._order)
        return self._order[0][2] if self._order else None

    def expired(self, now: float) -> Iterator[Exchange]:
        """Take out those that waited `queue_timeout` or whose deadline passed: O(expired)."""
        while self._entered:
            exchange, entered = next(iter(self._entered.items()))
            if now - entered < self._settings.queue_timeout:
                break
            self.leave(exchange)
            yield exchange
        while (first := self.first()) is not None and now >= first.deadline:
            self.leave(first)
            yield first
