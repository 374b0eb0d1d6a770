"""The balancer's core under traffic and faults, with a shell, a prober and backends made of callbacks on one clock.

Nothing sleeps: nine seconds at 200 requests/s take well under a second.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from itertools import count
from random import Random

from lb.core.backend import Backend
from lb.core.balancer import Balancer, Queued, Refusal, Resume, StartHedge, TimedOut
from lb.core.events import Event, ProbeWanted
from lb.core.exchange import Attempt, Exchange, Failure
from lb.core.settings import Settings


class Condition(Enum):
    """What a connection meets; facts from `docker pause`, a killed process, and a killed container."""

    WELL = "well"
    PAUSED = "connects, then silence; what was sent is executed on resume"
    DEAD = "refuses"
    GONE = "a black hole"


@dataclass
class Outcome:
    """One request, from its arrival to its end."""

    method: str
    arrived: float
    took: float = 0.0
    status: int = 0


class Simulation:
    """`size` backends, probed; a request every `gap` seconds once `run` is called."""

    def __init__(
        self, settings: Settings, *, size: int = 3, gap: float = 0.005, method: str = "GET", seed: int = 1
    ) -> None:
        self.now, self.method, self.gap, self.settings = 100.0, method, gap, settings
        self.outcomes: list[Outcome] = []
        self.executed: dict[int, int] = {}
        """How often the work of each request was done, by its number."""
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._requests: dict[Exchange, tuple[int, Outcome]] = {}
        self._probing: dict[Backend, int] = {}
        self._rng = Random(seed)
        self.balancer = Balancer(settings, Random(seed), self._emit)
        self.backends = [self.balancer.insert(f"api-{n}", "127.0.0.1", 9000 + n, self.now) for n in range(1, size + 1)]
        self.condition = dict.fromkeys(self.backends, Condition.WELL)
        self._held: dict[Backend, list[Callable[[], None]]] = {backend: [] for backend in self.backends}
        for backend in self.backends:
            self._probe(backend)
        self._tick()
        self.run(0.1, traffic=False)  # the first probes

    # --- the clock ---
    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (when, next(self._order), what))

    def run(self, seconds: float, *, traffic: bool = True) -> None:
        end = self.now + seconds
        if traffic:
            for n in range(round(seconds / self.gap)):
                self.at(self.now + n * self.gap, self._arrive)
        while self._agenda and self._agenda[0][0] <= end:
            self.now, _, what = heapq.heappop(self._agenda)
            what()
        self.now = end

    # --- faults ---
    def set(self, backend: Backend, condition: Condition) -> None:
        self.condition[backend] = condition
        if condition is Condition.WELL:
            held, self._held[backend] = self._held[backend], []
            for answer in held:
                self.at(self.now + self._latency(), answer)

    def _latency(self) -> float:
        return 0.002 + self._rng.expovariate(1000.0)

    def _reach(self, backend: Backend, answer: Callable[[], None], failed: Callable[[Failure], None]) -> bool:
        """Open a connection and ask; whether anything was sent."""
        match self.condition[backend]:
            case Condition.WELL:
                self.at(self.now + self._latency(), answer)
            case Condition.PAUSED:
                self._held[backend].append(answer)
            case Condition.DEAD:
                failed(Failure.REFUSED)
                return False
            case Condition.GONE:
                self.at(self.now + self.settings.retry.connect_timeout, lambda: failed(Failure.CONNECT_TIMEOUT))
                return False
        return True

    # --- the prober ---
    def _emit(self, event: Event) -> None:
        if isinstance(event, ProbeWanted):
            backend = next(backend for backend in self.backends if backend.id == event.backend)
            if self._probing.get(backend, 0) % 2 == 0:
                self.at(self.now, lambda: self._probe(backend))

    def _probe(self, backend: Backend) -> None:
        """Odd numbers: under way. Each end starts a wait that a probe wanted in between makes void."""
        number = self._probing.get(backend, 0)
        if number % 2 == 1:
            return
        self._probing[backend] = number + 1
        started = self.now

        def end(failure: str) -> None:
            if self._probing[backend] != number + 1:
                return
            self._probing[backend] = number + 2
            wait = self.balancer.probed(backend, failure, self.now - started, self.now)
            self.at(self.now + wait, lambda: self._probing[backend] == number + 2 and self._probe(backend))  # type: ignore[func-returns-value] # called for its effect

        self._reach(backend, lambda: end(""), end)
        self.at(self.now + self.settings.health.timeout, lambda: end("timeout"))

    # --- the data plane ---
    def _arrive(self) -> None:
        exchange = self.balancer.admit(self.method, self.now)
        outcome = Outcome(self.method, self.now)
        self._requests[exchange] = (len(self.outcomes), outcome)
        self.outcomes.append(outcome)
        self._step(exchange, self.balancer.next(exchange, self.now))

    def _step(self, exchange: Exchange, step: Attempt | Queued | Refusal) -> None:
        if isinstance(step, Attempt):
            self._start(step)
        elif isinstance(step, Refusal):
            self._finish(exchange, step.status)

    def _start(self, attempt: Attempt) -> None:
        number, _ = self._requests[attempt.exchange]

        def answer() -> None:
            self.executed[number] = self.executed.get(number, 0) + 1
            if attempt in attempt.exchange.attempts and self.balancer.answered(attempt, 200, self.now):
                attempt.exchange.responding = True
                for twin in [other for other in attempt.exchange.attempts if other is not attempt]:
                    self._resume(self.balancer.cancelled(twin, self.now))
                self._resume(self.balancer.completed(attempt, self.now))
                self._finish(attempt.exchange, 200)

        if self._reach(attempt.backend, answer, lambda failure: self._fail(attempt, failure)):
            self.balancer.sent(attempt, self.now)

    def _fail(self, attempt: Attempt, failure: Failure) -> None:
        exchange = attempt.exchange
        if attempt not in exchange.attempts:
            return
        if self.balancer.failed(attempt, failure, self.now):
            self._step(exchange, self.balancer.next(exchange, self.now))
        elif not exchange.attempts:
            self._finish(exchange, 504 if failure is Failure.TIMEOUT else 502)

    def _finish(self, exchange: Exchange, status: int) -> None:
        _, outcome = self._requests[exchange]
        outcome.status, outcome.took = status, self.now - outcome.arrived

    def _resume(self, resumed: list[Resume]) -> None:
        for action in resumed:
            self._step(action.exchange, action.step)

    def _tick(self) -> None:
        for action in self.balancer.tick(self.now):
            match action:
                case TimedOut(attempt):
                    self._fail(attempt, Failure.TIMEOUT)
                case StartHedge(attempt):
                    self._start(attempt)
                case Resume():
                    self._resume([action])
        self.at(self.now + self.settings.tick, self._tick)

    # --- what came of it ---
    def failed(self) -> int:
        return sum(outcome.status != 200 for outcome in self.outcomes)

    def slow(self, than: float = 0.25) -> int:
        return sum(outcome.took > than for outcome in self.outcomes)

    def worst(self) -> float:
        return max(outcome.took for outcome in self.outcomes)
