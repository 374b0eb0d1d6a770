"""The one object that the shell talks to: it is told what happened and answers what to do. Synchronous and pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from . import policies
from .actions import Action, Queued, Refusal, Resume, StartHedge, TimedOut
from .admission import Queue
from .affinity import accepts_pinned, keeps_sessions
from .backend import Backend, State
from .decisions import Cancelled, Failed, Picked, Refused, Waited, loads_of
from .events import AttemptFailed, Emit, Hedged
from .exchange import IDEMPOTENT_METHODS, Attempt, Exchange, Failure
from .hedging import HedgeWatch
from .load_weights import LoadReport
from .registry import Registry
from .retry import GATEWAY_STATUSES, Retries, Verdict
from .settings import Settings
from .stall import TickGapDetector
from .timeouts import Timeouts

__all__ = ["Action", "Balancer", "Queued", "Refusal", "Resume", "StartHedge", "TimedOut"]


class Balancer:
    """Registry, health, policy, retries, hedges and admission behind one synchronous interface."""

    def __init__(self, settings: Settings, rng: Random, emit: Emit) -> None:
        self._settings = settings
        self._rng = rng
        self._emit = emit
        self._load = policies.Load(settings.admission.max_in_flight)
        self._policy = policies.create(settings.policy, self._load)
        self._policy_name = settings.policy
        self.uses_hash_key = settings.policy in policies.HASHING
        """The policy picks by `hash_key`; otherwise the shell need not work one out."""
        self._registry = Registry(settings, rng, emit)
        self._retries = Retries(settings.retry)
        self._queue = Queue(settings.admission)
        self._timeouts = Timeouts(settings.retry)
        self._stalls = HedgeWatch(self._registry.stall_threshold)
        self._tick_gap = TickGapDetector(settings.passive.max_tick_gap)
        self._keep_decisions = settings.decisions > 0
        """Somebody may ask about decisions: each exchange collects its story."""

    # --- membership: discovery and admin ---
    def insert(self, backend_id: str, host: str, port: int, now: float, weight: float = 1.0) -> Backend:
        """Add a backend (UNKNOWN). The same id at the same address, while draining out, is taken back."""
        return self._registry.insert(backend_id, host, port, now, weight)

    def remove(self, backend_id: str, now: float) -> None:
        """Drain the backend; it leaves the registry when nothing is in flight on it."""
        self._registry.remove(backend_id, now)

    def set_state(self, backend_id: str, state: State, now: float) -> None:
        """Operator's word: DRAIN, MAINT, or UP (back to UNKNOWN, to be probed)."""
        self._registry.set_state(backend_id, state, now)

    def set_weight(self, backend_id: str, weight: float, now: float) -> None:
        """Operator's word on the configured weight; 0 takes no new traffic. KeyError."""
        self._registry.set_weight(backend_id, weight, now)

    @property
    def backends(self) -> Sequence[Backend]:
        """All known backends, in order of insertion."""
        return self._registry.backends

    def member(self, backend_id: str) -> Backend | None:
        """The backend of that id, unless it is on its way out."""
        return self._registry.member(backend_id)

    # --- other processes that share the traffic ---
    def suspect(self, backend_id: str, reason: str, firm: bool, now: float) -> None:
        """Requests stall on the backend elsewhere. KeyError."""
        self._registry.suspect(backend_id, reason, firm, now)

    def clear_suspicion(self, backend_id: str, reason: str, now: float) -> None:
        """The suspicion ended elsewhere. KeyError."""
        self._registry.clear_suspicion(backend_id, reason, now)

    def eject(self, backend_id: str, reason: str, now: float) -> None:
        """Traffic elsewhere was reason enough to take the backend out. KeyError."""
        self._registry.eject(backend_id, reason, now)

    def may_eject(self) -> bool:
        """Whether the limits on ejections allow one more."""
        return self._registry.may_eject()

    def reinstate(self, backend_id: str, reason: str, now: float) -> None:
        """The ejection is over elsewhere, or was not to be. KeyError."""
        self._registry.reinstate(backend_id, reason, now)

    @property
    def usable(self) -> Sequence[Backend]:
        """Those that a policy may pick now; in panic with the policy `open`, all that might work."""
        return self._registry.usable

    @property
    def panic(self) -> bool:
        """No backend is known to be usable."""
        return self._registry.panic

    @property
    def policy(self) -> str:
        """The name of the policy that picks."""
        return self._policy_name

    def use_policy(self, name: str) -> None:
        """Pick by another policy from now on. Raises UnknownPolicyError, and then changes nothing."""
        self._policy = policies.create(name, self._load)
        self._policy_name = name
        self.uses_hash_key = name in policies.HASHING

    def use(self, settings: Settings, now: float) -> None:
        """Go by other settings from now on. What is under way keeps its deadlines; standing and counts stay.

        The policy changes only where the settings name another one than they did: the operator's word outlives them.
        Raises UnknownPolicyError, and then changes nothing.
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
        """Record a finished probe (`failure` empty = passed; `unhealthy_response`: it failed by an answer) and answer how long to
        wait before the next one."""
        return self._registry.probed(backend, failure, took, now, name, unhealthy_response)

    def reported(self, backend: Backend, report: LoadReport, now: float) -> None:
        """The backend says how loaded it is: by a probe's answer, or beside the answer to a request."""
        self._registry.reported(backend, report, now)

    def closed_early(self, backend: Backend, now: float) -> None:
        """The backend has closed a connection that was idle for a moment only: it may be gone."""
        self._registry.closed_early(backend, now)

    # --- requests ---
    def admit(
        self, method: str, now: float, *, idempotency_key: bool = False, hash_key: bytes = b"", pinned_to: str = ""
    ) -> Exchange:
        """A request arrived. Counts towards the retry budget. `pinned_to` is the id that its sticky cookie names."""
        idempotent = idempotency_key or method in IDEMPOTENT_METHODS
        exchange = Exchange(method, idempotent, now, now + self._settings.retry.total_timeout, hash_key, pinned_to)
        self._retries.admitted(now)
        self._timeouts.opened(exchange)
        return exchange

    def next(self, exchange: Exchange, now: float) -> Attempt | Queued | Refusal:
        """Pick a backend not tried yet and count the attempt as in flight, or say why there is none."""
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
        """The client left while the exchange was queued or between two attempts: it is not handed back."""
        self._queue.leave(exchange)
        self._timeouts.closed(exchange)

    def new_pin(self, exchange: Exchange, answering: Backend) -> str:
        """The id that a sticky client is to be pinned to from this answer on; empty where its pin stands, or where
        `answering` is itself on its way out."""
        pinned = self._registry.member(exchange.pinned_to) if exchange.pinned_to else None
        if (pinned is not None and keeps_sessions(pinned)) or answering.state is not State.UP:
            return ""
        return answering.id

    def gives_up_at(self, attempt: Attempt, now: float) -> float:
        """Until when an attempt that is sent `now` will be waited for: what its backend is told as the deadline."""
        return self._timeouts.gives_up_at(attempt, now)

    def sent(self, attempt: Attempt, now: float, *, complete: bool = True) -> None:
        """The first request byte was written: the stall and per-try clocks start.

        While the request body is still coming, `complete` is False, and the clocks wait for a second call: the
        client's pace must not count as its backend's stall.
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
        """The response head is complete. False: do not forward it (a gateway error to retry, or a hedge already won);
        the shell drops the attempt's connection or drains it, reports nothing more for it, and calls `next`
        if the exchange has no attempt left."""
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
        """Request and response are complete. Answers the queued exchanges that may go now."""
        if self._end_attempt(attempt):
            self._registry.attempt_completed(attempt, now)
            self._released(attempt)
        return self._dequeue(now)

    def failed(self, attempt: Attempt, failure: Failure, now: float) -> bool:
        """The attempt failed. True: call `next` for another try. False: give up (or a hedge twin is still running).

        The slot that it frees is handed to a queued exchange by the next `tick`.
        """
        if not self._end_attempt(attempt):
            return False
        ours = failure is Failure.EXHAUSTED or (failure is Failure.TIMEOUT and not self._had_time(attempt, now))
        if ours:
            self._registry.attempt_cancelled(attempt, now)
        else:
            self._registry.attempt_failed(attempt, failure, now)
        if failure is Failure.TIMEOUT:
            self._policy.responded(attempt.backend, now - (attempt.sent or attempt.started), now)
        self._released(attempt)
        verdict = self._judge(attempt, failure, now)
        if not verdict.retry and not attempt.exchange.attempts:
            self._timeouts.closed(attempt.exchange)
        return verdict.retry

    def cancelled(self, attempt: Attempt, now: float) -> list[Resume]:
        """The attempt ended through no fault of the backend: client gone, or its twin won."""
        self._cancel(attempt, now)
        return self._dequeue(now)

    def tick(self, now: float) -> list[Action]:
        """Everything that depends on time passing: stalls, time-outs, hedges, ejection expiry, slow start, queue."""
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

    # --- the parts, put together ---
    def _start(self, exchange: Exchange, now: float, why: str) -> Attempt | None:
        pinned = self._pinned(exchange) if exchange.pinned_to else None
        backend = pinned or self._pick(exchange, now)
        if backend is None:
            return None
        if self._keep_decisions:
            snapshot = self._registry.snapshot
            loads = loads_of(snapshot.usable)
            exchange.steps.append(Picked(now, backend, "pinned" if pinned else why, self._policy_name, snapshot, loads))
        attempt = Attempt(exchange, backend, now, is_hedge=why == "hedge")
        exchange.tried.append(backend)
        exchange.attempts.append(attempt)
        self._load.in_flight += 1
        self._registry.attempt_started(attempt, now)
        self._stalls.started(attempt)
        return attempt

    def _pick(self, exchange: Exchange, now: float) -> Backend | None:
        backend = self._policy.pick(self._registry.usable, exchange, self._rng, now)
        if backend is None and self._allow_unreliable(exchange):
            backend = self._policy.pick(self._registry.usable, exchange, self._rng, now)
        return backend

    def _allow_unreliable(self, exchange: Exchange) -> bool:
        """Nobody takes it; whether those that are unreliable might, now that it dares."""
        if exchange.idempotent or exchange.accepts_unreliable:
            return False
        exchange.accepts_unreliable = any(backend.unreliable for backend in self._registry.usable)
        return exchange.accepts_unreliable

    def _pinned(self, exchange: Exchange) -> Backend | None:
        backend = self._registry.member(exchange.pinned_to)
        return backend if backend and accepts_pinned(backend) and self._policy.takes_pinned(backend, exchange) else None

    def _end_attempt(self, attempt: Attempt) -> bool:
        """The attempt ends, once: a late second report about it changes nothing."""
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
        """After the registry: policies look at `in_flight`."""
        self._load.in_flight -= 1
        self._policy.released(attempt.backend)

    def _refuse(self, exchange: Exchange, status: int, reason: str, now: float) -> Refusal:
        if self._keep_decisions:
            exchange.steps.append(Refused(now, status, reason))
        self._timeouts.closed(exchange)
        return Refusal(status, reason, self._settings.admission.retry_after if status == 503 else None)

    def _try_elsewhere(self, attempt: Attempt, now: float) -> bool:
        """The backend answered with a gateway error; is a twin running, or may another backend be tried?"""
        verdict = self._judge(attempt, Failure.GATEWAY, now)
        if not verdict.retry and len(attempt.exchange.attempts) == 1:
            return False
        self._end_attempt(attempt)
        self._registry.attempt_failed(attempt, Failure.GATEWAY, now)
        self._released(attempt)
        return True

    def _judge(self, attempt: Attempt, failure: Failure, now: float) -> Verdict:
        exchange = attempt.exchange
        verdict = self._retries.judge(attempt, failure, now, another=lambda: self._another_takes(exchange))
        retried, reason = verdict
        if self._keep_decisions:
            exchange.steps.append(Failed(now, attempt.backend, failure.value, retried, reason))
        self._emit(AttemptFailed(now, attempt.backend.id, failure.value, exchange.method, retried, reason))
        return verdict

    def _another_takes(self, exchange: Exchange) -> bool:
        """Whether another backend could take it. In panic none is known to work: a first attempt may find one that
        does, but further ones would only multiply a total outage, and with a whole window's budget behind them."""
        if self._registry.panic:
            return False
        usable, takes = self._registry.usable, self._policy.takes
        return any(takes(backend, exchange) for backend in usable) or (
            self._allow_unreliable(exchange) and any(takes(backend, exchange) for backend in usable)
        )

    def _had_time(self, attempt: Attempt, now: float) -> bool:
        """A deadline may cut an attempt that has only just started; that is not its backend's fault."""
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
        """Queued exchanges, by deadline, for as long as there are free slots."""
        resumed: list[Resume] = []
        while (exchange := self._queue.first()) is not None:
            attempt = self._start(exchange, now, "queued")
            if attempt is None:
                break
            self._queue.leave(exchange)
            resumed.append(Resume(exchange, attempt))
        return resumed
