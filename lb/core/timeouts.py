"""Finds attempts that have timed out. Both time-outs are constants, so attempts expire in order of arrival: O(expired).

After a reload that shortens a time-out, new attempts expire only after the older ones with the longer time-out.
"""

from __future__ import annotations

from .exchange import Attempt, Exchange
from .settings import RetrySettings


class Timeouts:
    """Tracks the per-try time-out (from the first byte sent) and the deadline (from the arrival of the request).

    Both end with the response head.
    """

    def __init__(self, settings: RetrySettings) -> None:
        self._per_try = settings.per_try_timeout
        self._exchanges: dict[Exchange, None] = {}
        self._attempts: dict[Attempt, float] = {}

    def use(self, settings: RetrySettings) -> None:
        """Apply a new per-try time-out from the next attempt on."""
        self._per_try = settings.per_try_timeout

    def opened(self, exchange: Exchange) -> None:
        """Track the deadline of a new exchange."""
        self._exchanges[exchange] = None

    def closed(self, exchange: Exchange) -> None:
        """Stop tracking an exchange that has its response or that its client has left."""
        self._exchanges.pop(exchange, None)

    def gives_up_at(self, attempt: Attempt, now: float) -> float:
        """Return when an attempt that is sent at `now` times out, in monotonic seconds."""
        return min(attempt.exchange.deadline, now + self._per_try)

    def sent(self, attempt: Attempt, now: float) -> None:
        """Start the per-try clock, or restart it."""
        self._attempts.pop(attempt, None)
        self._attempts[attempt] = now + self._per_try

    def ended(self, attempt: Attempt) -> None:
        """Stop the per-try clock of an attempt that was answered or has ended."""
        self._attempts.pop(attempt, None)

    def expired(self, now: float) -> list[Attempt]:
        """Return the attempts that must end now. Each is returned once."""
        if not self._exchanges:
            return []
        return [*self._past_deadline(now), *self._past_per_try(now)]

    def _past_deadline(self, now: float) -> list[Attempt]:
        late: list[Attempt] = []
        while self._exchanges and (exchange := next(iter(self._exchanges))).deadline <= now:
            del self._exchanges[exchange]
            late += exchange.attempts
        for attempt in late:
            self._attempts.pop(attempt, None)
        return late

    def _past_per_try(self, now: float) -> list[Attempt]:
        late: list[Attempt] = []
        while self._attempts and (attempt := next(iter(self._attempts))) and self._attempts[attempt] <= now:
            del self._attempts[attempt]
            late.append(attempt)
        return late
