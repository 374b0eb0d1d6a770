"""The interface between core and shell: the shell reports events, and the balancer returns the next actions.

Synchronous and pure: time and random generator are arguments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from . import policies
from .actions import Action, Queued, Refusal, Resume, StartHedge, TimedOut
from .admission import Queue
from .backend import Backend, State
from .decisions import Cancelled, Failed, Picked, Refused, Waited, loads_of
from .events import AttemptFailed, Emit, Hedged
from .exchange import IDEMPOTENT_METHODS, Attempt, Exchange, Failure
from .hedge_watch import HedgeWatch
from .load_weights import LoadReport
from .registry import Registry
from .retry import GATEWAY_STATUSES, Retries, RetryDecision
from .settings import Settings
from .stall import TickGapDetector
from .sticky_sessions import accepts_pinned, keeps_sessions
from .timeouts import Timeouts

__all__ = ["Action", "Balancer", "Queued", "Refusal", "Resume", "StartHedge", "TimedOut"]


class Balancer:
    """Combines registry, health, policy, retries, hedges and admission in one synchronous interface."""

    def __init__(self, settings: Settings, rng: Random, emit: Emit) -> None:
        self._settings = settings
        self._rng = rng
        self._emit = emit
        self._load = policies.Load(settings.admission.max_in_flight)
        self._policy = policies.create(settings.policy, self._load)
        self.policy = settings.policy
        """Name of the current policy."""
        self.uses_hash_key = settings.policy in policies.HASHING
        """Whether the policy picks by `hash_key`. If not, the shell need not compute one."""
        self._registry = Registry(settings, rng, emit)
        self._retries = Retries(settings.retry)
        self._queue = Queue(settings.admission)
        self._timeouts = Timeouts(settings.retry)
        self._stalls = HedgeWatch(self._registry.stall_threshold)
        self._tick_gap = TickGapDetector(settings.passive.max_tick_gap)
        self._keep_decisions = settings.decisions > 0
        """Whether each exchange records its decisions for `GET /decisions`."""

    # --- membership: discovery and admin ---
    def insert(self, backend_id: str, host: str, port: int, now: float, weight: float = 1.0) -> Backend:
        """Add a backend in state UNKNOWN, or restore one with the same id and address that is still draining."""
        return self._registry.insert(backend_id, host, port, now, weight)

    def remove(self, backend_id: str, now: float) -> None:
        """Drain the backend. It is removed when nothing is in flight on it. Raise KeyError for an unknown id."""
        self._registry.remove(backend_id, now)

    def set_state(self, backend_id: str, state: State, now: float) -> None:
        """Apply an operator's decision: DRAIN, MAINT, or UP (which means UNKNOWN until a probe passes).

        Raise KeyError for an unknown id and ValueError for another state.
        """
        self._registry.set_state(backend_id, state, now)

    def set_weight(self, backend_id: str, weight: float, now: float) -> None:
        """Set the configured weight; a backend with weight 0 gets no new requests. Raise KeyError for an unknown id."""
        self._registry.set_weight(backend_id, weight, now)

    @property
    def backends(self) -> Sequence[Backend]:
        """All known backends in order of insertion, including removed ones that are still draining."""
        return self._registry.backends

    def member(self, backend_id: str) -> Backend | None:
        """Return the backend with that id; None if it is unknown or has been removed."""
        return self._registry.member(backend_id)

    # --- reports of other processes that share the traffic; all raise KeyError for an unknown id ---
    def suspect(self, backend_id: str, reason: str, firm: bool, now: float) -> None:
        """Suspect the backend because requests stall on it in another process."""
        self._registry.suspect(backend_id, reason, firm, now)

    def clear_suspicion(self, backend_id: str, reason: str, now: float) -> None:
        """End the suspicion because it ended in another process."""
        self._registry.clear_suspicion(backend_id, reason, now)

    def eject(self, backend_id: str, reason: str, now: float) -> None:
        """Eject the backend because another process has ejected it."""
        self._registry.eject(backend_id, reason, now)

    def may_eject(self) -> bool:
        """Return whether the limits on ejections allow one more."""
        return self._registry.may_eject()

    def reinstate(self, backend_id: str, reason: str, now: float) -> None:
        """End the ejection because another process has ended or rejected it."""
        self._registry.reinstate(backend_id, reason, now)

    @property
    def usable(self) -> Sequence[Backend]:
        """Backends that a policy may pick now. In panic with `panic: open`, these are the DOWN and EJECTED ones."""
        return self._registry.usable

    @property
    def panic(self) -> bool:
        """Whether no backend is usable."""
        return self._registry.panic

    def use_policy(self, name: str) -> None:
        """Switch to another policy. Raise UnknownPolicyError, and change nothing, if there is none with that name."""
        self._policy = policies.create(name, self._load)
        self.policy = name
        self.uses_hash_key = name in policies.HASHING

    def use(self, settings: Settings, now: float) -> None:
        """Apply new settings. Exchanges in progress keep their deadlines; states and counts stay.

        The policy changes only if the settings name another one than before: a policy that an operator has chosen
        stays. Raise UnknownPolicyError, and change nothing, if there is none with that name.
        """
        if settings.policy != self._settings.policy:
            self.use_policy(settings.policy)
        self._settings = settings
        self._load.max_in_flight = settings.admission.max_in_flight
        self._registry.use(settings, now)
        self._retries.use(settings.retry)
        self._queue.use(settings.admission)
        self._timeouts.use(settings.retry)
        self._tick_gap.use(settings.passive.max_tick_gap)
        self._keep_decisions = settings.decisions > 0

    # --- probes ---
    def probed(
        self, backend: Backend, failure: str, took: float, now: float, name: str = "", unhealthy_response: bool = False
    ) -> float:
        """Record a finished probe and return the seconds to wait before the next one.

        `failure` is empty if the probe passed. `unhealthy_response`: the backend responded, and the response was a
        failure.
        """
        return self._registry.probed(backend, failure, took, now, name, unhealthy_response)

    def reported(self, backend: Backend, report: LoadReport, now: float) -> None:
        """Record the load that the backend reports in a health check or in a response header."""
        self._registry.reported(backend, report, now)

    def closed_early(self, backend: Backend, now: float) -> None:
        """Record that the backend closed a connection soon after it was used: the backend may be gone."""
        self._registry.closed_early(backend, now)

    # --- requests ---
    def admit(
        self, method: str, now: float, *, idempotency_key: bool = False, hash_key: bytes = b"", pinned_to: str = ""
    ) -> Exchange:
        """Record a new request, count it towards the retry budget, and return its exchange.

        `pinned_to` is the backend id in its sticky cookie.
        """
        idempotent = idempotency_key or method in IDEMPOTENT_METHODS
        exchange = Exchange(method, idempotent, now, now + self._settings.retry.total_timeout, hash_key, pinned_to)
        self._retries.admitted(now)
        self._timeouts.opened(exchange)
        return exchange

    def next(self, exchange: Exchange, now: float) -> Attempt | Queued | Refusal:
        """Pick a backend that was not tried yet and count the attempt as in flight; else queue or refuse the
        exchange."""
        if now >= exchange.deadline:
            return self._refuse(exchange, 504, "deadline", now)
        if len(self._queue) == 0 or exchange.tried:
            attempt = self._start(exchange, now, "retry" if exchange.tried else "policy")
            if attempt is not None:
                return attempt
        if not self._registry.usable:
            return self._refuse(exchange, 503, "no_backend", now)
        if not exchange.tried and self._queue.enter(exchange, now):
            if self._keep_decisions:
                exchange.steps.append(Waited(now))
            return Queued()
        return self._refuse(exchange, 503, "overload", now)

    def abandoned(self, exchange: Exchange) -> None:
        """Drop an exchange whose client left while it was queued or between two attempts. It is not resumed."""
        self._queue.leave(exchange)
        self._timeouts.closed(exchange)

    def new_pin(self, exchange: Exchange, answering: Backend) -> str:
        """Return the backend id for a new sticky cookie in this response; an empty string if no new cookie is needed.

        None is needed while the pinned backend keeps its sessions, or if the responding backend is not UP.
        """
        pinned = self._registry.member(exchange.pinned_to) if exchange.pinned_to else None
        if (pinned is not None and keeps_sessions(pinned)) or answering.state is not State.UP:
            return ""
        return answering.id

    def gives_up_at(self, attempt: Attempt, now: float) -> float:
        """Return when an attempt sent at `now` times out (monotonic seconds), for the deadline header to the
        backend."""
        return self._timeouts.gives_up_at(attempt, now)

    def sent(self, attempt: Attempt, now: float, *, complete: bool = True) -> None:
        """Record that the first request byte was written: the stall and per-try clocks start.

        Call with `complete=False` while the request body is still arriving, and again with True at its end. The clocks
        start at the second call, because a slow client must not make its backend look stalled.
        """
        if attempt not in attempt.exchange.attempts:
            return
        if attempt.sent is None:
            attempt.exchange.sent += 1
        attempt.sent = now
        self._stalls.sent(attempt)
        if complete:
            self._registry.attempt_sent(attempt, now)
            self._timeouts.sent(attempt, now)

    def answered(self, attempt: Attempt, status: int, now: float) -> bool:
        """Record a complete response head. Return False if it must not be forwarded to the client.

        That is a gateway error that is retried, or the response of a hedge that has lost. The shell then closes or
        drains the connection of the attempt, reports nothing more about it, and calls `next` if the exchange has no
        attempt left.
        """
        exchange = attempt.exchange
        if attempt not in exchange.attempts:
            return False
        attempt.answered = now
        self._registry.attempt_answered(attempt, status, now)
        self._timeouts.ended(attempt)
        self._policy.responded(attempt.backend, now - (attempt.sent or attempt.started), now)
        if exchange.won:
            self._cancel(attempt, now)
            return False
        if status in GATEWAY_STATUSES and self._try_elsewhere(attempt, now):
            return False
        exchange.won = True
        self._timeouts.closed(exchange)
        return True

    def completed(self, attempt: Attempt, now: float) -> list[Resume]:
        """Record that request and response are complete. Return the queued exchanges that can continue."""
        if self._end_attempt(attempt):
            self._registry.attempt_completed(attempt, now)
            self._released(attempt)
        return self._dequeue(now)

    def failed(self, attempt: Attempt, failure: Failure, now: float) -> bool:
        """Record that the attempt failed. Return True if `next` must be called for another attempt.

        False means: give up, or the other attempt of a hedge is still running. The next `tick` gives the free slot to a
        queued exchange.
        """
        if not self._end_attempt(attempt):
            return False
        blameless = failure is Failure.EXHAUSTED or (failure is Failure.TIMEOUT and not self._had_time(attempt, now))
        if blameless:
            self._registry.attempt_cancelled(attempt, now)
        else:
            self._registry.attempt_failed(attempt, failure, now)
        if failure is Failure.TIMEOUT:
            self._policy.responded(attempt.backend, now - (attempt.sent or attempt.started), now)
        self._released(attempt)
        decision = self._decide_retry(attempt, failure, now)
        if not decision.retry and not attempt.exchange.attempts:
            self._timeouts.closed(attempt.exchange)
        return decision.retry

    def cancelled(self, attempt: Attempt, now: float) -> list[Resume]:
        """Record that the client left or the other attempt won. Return the queued exchanges that can continue."""
        self._cancel(attempt, now)
        return self._dequeue(now)

    def tick(self, now: float) -> list[Action]:
        """Handle all that depends on time: stalls, time-outs, hedges, ends of ejections, slow start and the queue."""
        self._registry.tick(now)
        actions: list[Action] = []
        if not self._tick_gap.late(now):
            late = self._timeouts.expired(now)
            actions += map(TimedOut, late)
            actions += map(StartHedge, self._hedges(now, late))
        for exchange in self._queue.expired(now):
            actions.append(Resume(exchange, self._refuse(exchange, 503, "overload", now)))
        actions += self._dequeue(now)
        return actions

    # --- implementation ---
    def _start(self, exchange: Exchange, now: float, why: str) -> Attempt | None:
        pinned = self._pinned(exchange) if exchange.pinned_to else None
        backend = pinned or self._pick(exchange, now)
        if backend is None:
            return None
        if self._keep_decisions:
            snapshot = self._registry.snapshot
            loads = loads_of(snapshot.usable)
            exchange.steps.append(Picked(now, backend, "pinned" if pinned else why, self.policy, snapshot, loads))
        attempt = Attempt(exchange, backend, now, is_hedge=why == "hedge")
        exchange.tried.append(backend)
        exchange.attempts.append(attempt)
        self._load.in_flight += 1
        self._registry.attempt_started(attempt)
        self._stalls.started(attempt)
        return attempt

    def _pick(self, exchange: Exchange, now: float) -> Backend | None:
        backend = self._policy.pick(self._registry.usable, exchange, self._rng, now)
        if backend is None and self._allow_unreliable(exchange):
            backend = self._policy.pick(self._registry.usable, exchange, self._rng, now)
        return backend

    def _allow_unreliable(self, exchange: Exchange) -> bool:
        """Allow unreliable backends if no other accepts this non-idempotent request. Return whether there are any."""
        if exchange.idempotent or exchange.accepts_unreliable:
            return False
        exchange.accepts_unreliable = any(backend.unreliable for backend in self._registry.usable)
        return exchange.accepts_unreliable

    def _pinned(self, exchange: Exchange) -> Backend | None:
        backend = self._registry.member(exchange.pinned_to)
        return backend if backend and accepts_pinned(backend) and self._policy.takes_pinned(backend, exchange) else None

    def _end_attempt(self, attempt: Attempt) -> bool:
        """Remove the attempt from its exchange. Return False if it was removed before: late reports have no effect."""
        try:
            attempt.exchange.attempts.remove(attempt)
        except ValueError:
            return False
        self._stalls.ended(attempt)
        self._timeouts.ended(attempt)
        return True

    def _cancel(self, attempt: Attempt, now: float) -> None:
        if self._end_attempt(attempt):
            if self._keep_decisions:
                attempt.exchange.steps.append(Cancelled(now, attempt.backend))
            self._registry.attempt_cancelled(attempt, now)
            self._released(attempt)
            if not attempt.exchange.attempts:
                self._timeouts.closed(attempt.exchange)

    def _released(self, attempt: Attempt) -> None:
        """Update the load and the policy. Called after the registry, because policies read `in_flight`."""
        self._load.in_flight -= 1
        self._policy.released(attempt.backend)

    def _refuse(self, exchange: Exchange, status: int, reason: str, now: float) -> Refusal:
        if self._keep_decisions:
            exchange.steps.append(Refused(now, status, reason))
        self._timeouts.closed(exchange)
        return Refusal(status, reason, self._settings.admission.retry_after if status == 503 else None)

    def _try_elsewhere(self, attempt: Attempt, now: float) -> bool:
        """Drop a gateway error and return True if another attempt is running or another backend may be tried."""
        decision = self._decide_retry(attempt, Failure.GATEWAY, now)
        if not decision.retry and len(attempt.exchange.attempts) == 1:
            return False
        self._end_attempt(attempt)
        self._registry.attempt_failed(attempt, Failure.GATEWAY, now)
        self._released(attempt)
        return True

    def _decide_retry(self, attempt: Attempt, failure: Failure, now: float) -> RetryDecision:
        exchange = attempt.exchange
        decision = self._retries.decide(attempt, failure, now, another=lambda: self._another_takes(exchange))
        retried, reason = decision
        if self._keep_decisions:
            exchange.steps.append(Failed(now, attempt.backend, failure.value, retried, reason))
        self._emit(AttemptFailed(now, attempt.backend.id, failure.value, exchange.method, retried, reason))
        return decision

    def _another_takes(self, exchange: Exchange) -> bool:
        """Return whether another backend accepts the exchange; always False in panic.

        In panic no backend is known to work. A first attempt may find one that does, but retries would multiply the
        load of a total outage, with the budget of a whole window available.
        """
        if self._registry.panic:
            return False
        usable, takes = self._registry.usable, self._policy.takes
        return any(takes(backend, exchange) for backend in usable) or (
            self._allow_unreliable(exchange) and any(takes(backend, exchange) for backend in usable)
        )

    def _had_time(self, attempt: Attempt, now: float) -> bool:
        """Return whether the attempt lasted long enough to blame the backend.

        If the deadline of the request passes just after the attempt has begun, the backend is not to blame.
        """
        return now - (attempt.sent or attempt.started) >= self._registry.stall_threshold(attempt.backend)

    def _hedges(self, now: float, late: Sequence[Attempt]) -> Iterator[Attempt]:
        for stalled in list(self._stalls.stalled(now)):
            exchange = stalled.exchange
            if stalled in late or not self._retries.may_hedge(stalled, now) or not self._another_takes(exchange):
                continue
            if not self._retries.withdraw_hedge(now):
                return
            hedge = self._start(exchange, now, "hedge")
            if hedge is not None:
                self._emit(Hedged(now, hedge.backend.id, stalled.backend.id))
                yield hedge

    def _dequeue(self, now: float) -> list[Resume]:
        """Start queued exchanges in the order of their deadlines while backends accept them."""
        resumed: list[Resume] = []
        while (exchange := self._queue.first()) is not None:
            attempt = self._start(exchange, now, "queued")
            if attempt is None:
                break
            self._queue.leave(exchange)
            resumed.append(Resume(exchange, attempt))
        return resumed
