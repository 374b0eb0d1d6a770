"""The queue of requests that wait because every backend is at its cap.

The queue is short and the wait is bounded: a request whose client has given up only occupies a slot. Only first
attempts queue. A retry that finds all other backends full fails, because waiting retries would add to an overload.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count

from .exchange import Exchange
from .settings import AdmissionSettings


class Queue:
    """A bounded queue of exchanges, ordered by deadline."""

    def __init__(self, settings: AdmissionSettings) -> None:
        self._settings = settings
        self._entered: dict[Exchange, float] = {}
        self._order: list[tuple[float, int, Exchange]] = []
        self._tickets = count()

    def use(self, settings: AdmissionSettings) -> None:
        """Apply new settings. Exchanges that already wait keep their place."""
        self._settings = settings

    def __len__(self) -> int:
        return len(self._entered)

    def enter(self, exchange: Exchange, now: float) -> bool:
        """Add the exchange to the queue. Return False if the queue is full."""
        if len(self._entered) >= self._settings.max_queue:
            return False
        self._entered[exchange] = now
        heappush(self._order, (exchange.deadline, next(self._tickets), exchange))
        return True

    def leave(self, exchange: Exchange) -> None:
        """Remove the exchange from the queue. Do nothing if it is not in the queue."""
        self._entered.pop(exchange, None)

    def first(self) -> Exchange | None:
        """Return the exchange with the earliest deadline without removing it; None if the queue is empty."""
        while self._order and self._order[0][2] not in self._entered:
            heappop(self._order)
        return self._order[0][2] if self._order else None

    def expired(self, now: float) -> Iterator[Exchange]:
        """Remove and yield each exchange that waited `queue_timeout` or whose deadline has passed, in O(expired)."""
        while self._entered:
            exchange, entered = next(iter(self._entered.items()))
            if now - entered < self._settings.queue_timeout:
                break
            self.leave(exchange)
            yield exchange
        while (first := self.first()) is not None and now >= first.deadline:
            self.leave(first)
            yield first
