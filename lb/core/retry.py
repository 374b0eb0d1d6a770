"""May this exchange be tried on another backend? The rules, in the order in which they are asked.

1. Never once a response byte is on its way to the client: it would see two answers in one.
2. Never while a twin (hedge) is still running: it is the other try.
3. Never when the request body is gone and a second backend would get half a request, nor after an answer that breaks
   HTTP: the backend has executed the request, and another one would most likely answer in the same way.
4. At most `max_attempts` that reached a backend, hedges counted, and none past the deadline: nobody waits for it any
   more. A refused connection is no attempt in this sense: when four of five replicas stop at once, the fourth is the
   one that answers, and rules 5 and 7 bound what the search may cost.
5. Never on a backend that was tried: only if another one can take it now. And not in panic, where none is known to
   work: each retry would only multiply the outage.
6. Anything, while no byte of the request was written: no backend can have executed it.
   After that, only what is idempotent (RFC 9110 §9.2.2) or carries an `Idempotency-Key`. Once an answer has begun
   (`Exchange.begun`), the backend has executed the request: then only safe methods (§9.2.1), and only because the
   rest of the answer does not come. A complete head with 502, 503 or 504 is the backend's own word that it could not
   do the work, and counts as no execution.
7. Only inside the budget.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from .budget import RetryBudget
from .exchange import SAFE_METHODS, Attempt, Exchange, Failure
from .settings import RetrySettings

GATEWAY_STATUSES: Final = frozenset({502, 503, 504})
"""What a backend says when it could not do the work; RFC 9110 §15.6.3–5."""


class Verdict(NamedTuple):
    """Whether another try follows, and the rule that decided."""

    retry: bool
    reason: str


class Retries:
    """The rules and the budget that retries and hedges share."""

    def __init__(self, settings: RetrySettings) -> None:
        self._settings = settings
        self._budget = RetryBudget(settings.budget_ratio, settings.budget_min_per_s, settings.budget_window)

    def use(self, settings: RetrySettings) -> None:
        """Go by other settings. Another budget starts with an empty window, so that nothing is counted twice."""
        budget = (settings.budget_ratio, settings.budget_min_per_s, settings.budget_window)
        if budget != (self._settings.budget_ratio, self._settings.budget_min_per_s, self._settings.budget_window):
            self._budget = RetryBudget(*budget)
        self._settings = settings

    def admitted(self, now: float) -> None:
        """A request arrived: it deposits its share."""
        self._budget.deposit(now)

    def judge(self, attempt: Attempt, failure: Failure, now: float, another: Callable[[], bool]) -> Verdict:
        """The attempt failed. A retry is paid for here."""
        exchange = attempt.exchange
        if failure is Failure.TRUNCATED:
            return Verdict(False, "responding")
        if failure is Failure.EXHAUSTED:
            return Verdict(False, "own sockets exhausted")
        forbidden = self._forbidden(exchange, attempt, now)
        if failure is Failure.BAD_RESPONSE:
            exchange.replayable = False
        if forbidden:
            return Verdict(False, forbidden)
        if attempt.sent is not None and not exchange.idempotent:
            return Verdict(False, "not idempotent")
        if failure is Failure.BAD_RESPONSE or (failure is not Failure.GATEWAY and _has_executed(exchange)):
            return Verdict(False, "answer begun")
        if not another():
            return Verdict(False, "no other backend")
        if not self._budget.withdraw(now):
            return Verdict(False, "budget")
        return Verdict(True, "not sent" if attempt.sent is None else "idempotent")

    def may_hedge(self, stalled: Attempt, now: float) -> bool:
        """A second backend may be tried beside the stalled one. `withdraw_hedge` must follow when one is found."""
        exchange = stalled.exchange
        if not self._settings.hedge or not exchange.idempotent or _has_executed(exchange):
            return False
        return not self._forbidden(exchange, stalled, now)

    def withdraw_hedge(self, now: float) -> bool:
        """Take a hedge out of the budget; False: it is spent."""
        return self._budget.withdraw(now)

    def _forbidden(self, exchange: Exchange, attempt: Attempt, now: float) -> str:
        """Rules 1 to 4: why no attempt may follow this one or run beside it; empty if one may."""
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
    """A backend has executed it, and executing it again may do something."""
    return exchange.response_begun and exchange.method not in SAFE_METHODS
