"""Which attempts are past their time. Both time-outs are constants, so arrival order is expiry order: O(expired).

After a reload that shortens one, newcomers wait behind those that were promised more, until these have ended.
"""

from __future__ import annotations

from .exchange import Attempt, Exchange
from .settings import RetrySettings


class Timeouts:
    """The per-try time-out runs from the first byte sent, the deadline from the request's arrival; both end with the
    response head."""

    def __init__(self, settings: RetrySettings) -> None:
        self._per_try = settings.per_try_timeout
        self._exchanges: dict[Exchange, None] = {}
        self._attempts: dict[Attempt, float] = {}

    def use(self, settings: RetrySettings) -> None:
        """Go by another per-try time-out from the next attempt on."""
        self._per_try = settings.per_try_timeout

    def opened(self, exchange: Exchange) -> None:
        """The exchange was admitted: its deadline runs."""
        self._exchanges[exchange] = None

    def closed(self, exchange: Exchange) -> None:
        """The exchange has its answer, or nobody waits for one."""
        self._exchanges.pop(exchange, None)

    def gives_up_at(self, attempt: Attempt, now: float) -> float:
        """Until when an attempt sent `now` is waited for, monotonic seconds."""
        return min(attempt.exchange.deadline, now + self._per_try)

    def sent(self, attempt: Attempt, now: float) -> None:
        """The per-try clock starts, or starts again."""
        self._attempts.pop(attempt, None)
        self._attempts[attempt] = now + self._per_try

    def ended(self, attempt: Attempt) -> None:
        """The attempt was answered or is over."""
        self._attempts.pop(attempt, None)

    def expired(self, now: float) -> list[Attempt]:
        """The attempts that must end now, each reported once."""
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
