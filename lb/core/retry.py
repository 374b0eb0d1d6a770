"""The rules that decide whether an exchange may be retried or hedged on another backend, in the order of application.

1. Never after a response byte was sent to the client: it would receive two responses in one.
2. Never while another attempt of the exchange (a hedge) is running.
3. Never if body bytes that a second backend needs are no longer buffered, nor after an invalid response: the backend
   has executed the request, and another one would most likely respond in the same way.
4. At most `max_attempts` that reached a backend, including hedges, and none after the deadline, when the client has
   stopped waiting. A refused connection does not count: when four of five replicas stop at once, only the fifth can
   respond, and rules 5 and 7 limit the cost of the search.
5. Never on a backend that was tried, so only if another backend accepts the exchange now. Not in panic either: no
   backend is known to work then, and each retry would only multiply the load of the outage.
6. Any request may be retried while none of its bytes was written, because no backend can have executed it. After that,
   only a request that is idempotent (RFC 9110 §9.2.2) or has an `Idempotency-Key`. Once a response has begun
   (`Exchange.response_begun`), the backend has executed the request: then only safe methods (§9.2.1) are retried, and
   only if the rest of the response does not arrive. A complete head with 502, 503 or 504 states that the backend could
   not do the work, and does not count as an execution.
7. Only within the retry budget.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from .budget import RetryBudget
from .exchange import SAFE_METHODS, Attempt, Exchange, Failure
from .settings import RetrySettings

GATEWAY_STATUSES: Final = frozenset({502, 503, 504})
"""Statuses of a backend that could not do the work (RFC 9110 §15.6.3–5)."""


class RetryDecision(NamedTuple):
    """Whether another attempt follows, and the rule that decided."""

    retry: bool
    reason: str


class Retries:
    """Applies the rules, and has the budget that retries and hedges share."""

    def __init__(self, settings: RetrySettings) -> None:
        self._settings = settings
        self._budget = RetryBudget(settings.budget_ratio, settings.budget_min_per_s, settings.budget_window)

    def use(self, settings: RetrySettings) -> None:
        """Apply new settings. A changed budget starts with an empty window, so that nothing is counted twice."""
        budget = (settings.budget_ratio, settings.budget_min_per_s, settings.budget_window)
        if budget != (self._settings.budget_ratio, self._settings.budget_min_per_s, self._settings.budget_window):
            self._budget = RetryBudget(*budget)
        self._settings = settings

    def admitted(self, now: float) -> None:
        """Count a new request towards the budget."""
        self._budget.deposit(now)

    def decide(self, attempt: Attempt, failure: Failure, now: float, another: Callable[[], bool]) -> RetryDecision:
        """Decide on a retry after the attempt failed. A retry is withdrawn from the budget here."""
        exchange = attempt.exchange
        if failure is Failure.TRUNCATED:
            return RetryDecision(False, "responding")
        if failure is Failure.EXHAUSTED:
            return RetryDecision(False, "own sockets exhausted")
        forbidden = self._forbidden(exchange, attempt, now)
        if failure is Failure.BAD_RESPONSE:
            exchange.replayable = False
        if forbidden:
            return RetryDecision(False, forbidden)
        if attempt.sent is not None and not exchange.idempotent:
            return RetryDecision(False, "not idempotent")
        if failure is Failure.BAD_RESPONSE or (failure is not Failure.GATEWAY and _has_executed(exchange)):
            return RetryDecision(False, "answer begun")
        if not another():
            return RetryDecision(False, "no other backend")
        if not self._budget.withdraw(now):
            return RetryDecision(False, "budget")
        return RetryDecision(True, "not sent" if attempt.sent is None else "idempotent")

    def may_hedge(self, stalled: Attempt, now: float) -> bool:
        """Return whether a second backend may be tried in parallel. `withdraw_hedge` must follow if one is found."""
        exchange = stalled.exchange
        if not self._settings.hedge or not exchange.idempotent or _has_executed(exchange):
            return False
        return not self._forbidden(exchange, stalled, now)

    def withdraw_hedge(self, now: float) -> bool:
        """Withdraw a hedge from the budget. Return False if the budget is used up."""
        return self._budget.withdraw(now)

    def _forbidden(self, exchange: Exchange, attempt: Attempt, now: float) -> str:
        """Apply rules 1 to 4. Return why no further attempt is allowed, or an empty string if one is."""
        if exchange.responding or exchange.won:
            return "responding"
        if any(other is not attempt for other in exchange.attempts):
            return "twin running"
        if not exchange.replayable:
            return "not replayable"
        if exchange.sent >= self._settings.max_attempts:
            return "attempts"
        return "deadline" if now >= exchange.deadline else ""


def _has_executed(exchange: Exchange) -> bool:
    """Return whether a backend has executed the request and a second execution could have an effect."""
    return exchange.response_begun and exchange.method not in SAFE_METHODS
