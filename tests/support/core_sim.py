"""A world for the registry: backends that fail on a fake clock, a prober, and traffic. Nothing here sleeps."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random

from lb.core.backend import Backend, State
from lb.core.events import Event, ProbeWanted, Transition
from lb.core.exchange import Attempt, Exchange, Failure
from lb.core.registry import Registry
from lb.core.settings import Settings


@dataclass
class Behaviour:
    """Current behaviour of a backend on the network."""

    answers_after: float | None = 0.002
    """Seconds; None: never."""
    refuses: bool = False
    connects: bool = True
    """False: every new connection runs into its time-out, as after `docker kill`."""
    status: int = 200
    probe_status: int = 200
    loses_packets: bool = False
    """What is sent now is gone for good; a merely silent (paused) backend answers it later."""
    works: bool = True
    """False: requests hang although probes pass."""


OK = Behaviour()
PAUSED = Behaviour(answers_after=None)
BLACK_HOLE = Behaviour(answers_after=None, loses_packets=True)
DEAD = Behaviour(refuses=True)
GONE = Behaviour(connects=False, answers_after=None, loses_packets=True)
LYING = Behaviour(status=500)
FAILING = Behaviour(status=500, probe_status=500)
UNHEALTHY = Behaviour(probe_status=503)


@dataclass
class World:
    """Registry, prober and traffic on one clock."""

    settings: Settings = field(default_factory=Settings)
    size: int = 3
    gap: float = 0.005
    """Seconds between two requests to the balancer; 0 for no traffic."""
    seed: int = 1
    events: list[Event] = field(default_factory=list)
    picked: dict[str, list[float]] = field(default_factory=dict)
    """When each backend was given a request."""
    picks: list[tuple[State, ...]] = field(default_factory=list)
    now: float = 0.0

    def __post_init__(self) -> None:
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._turn = count()
        self._behaviour: dict[Backend, Behaviour] = {}
        self._unanswered: dict[Backend, list[Callable[[], None]]] = {}
        self._probing: set[Backend] = set()
        self._probe_at: dict[Backend, float] = {}
        self.deaf = False
        self.registry = Registry(self.settings, Random(self.seed), self._emit)
        self.backends = [self.add(f"api-{n}") for n in range(self.size)]
        self.at(self.settings.tick, self._tick)
        if self.gap:
            self.at(self.settings.tick, self._request)

    def add(self, name: str) -> Backend:
        backend = self.registry.insert(name, "10.0.0.1", 8000, self.now)
        self._behaviour[backend] = OK
        self._unanswered[backend] = []
        self.picked[name] = []
        self._probe_in(backend, 0.0)
        return backend

    # --- the clock ---
    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (when, next(self._order), what))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self._queue and self._queue[0][0] <= end:
            self.now, _, what = heapq.heappop(self._queue)
            what()
        self.now = end

    # --- faults ---
    def become(self, backend: Backend, behaviour: Behaviour) -> None:
        """Change the behaviour; a backend that resumes responds to the requests that it has kept."""
        self._behaviour[backend] = behaviour
        kept = self._unanswered[backend]
        self._unanswered[backend] = []
        if behaviour.answers_after is not None:
            for answer in kept:
                self.at(self.now + behaviour.answers_after, answer)

    def _answer_later(self, backend: Backend, answer: Callable[[], None]) -> None:
        behaviour = self._behaviour[backend]
        if behaviour.answers_after is not None:
            self.at(self.now + behaviour.answers_after, answer)
        elif not behaviour.loses_packets:
            self._unanswered[backend].append(answer)

    # --- the shell's part ---
    def _emit(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, ProbeWanted):
            backend = self.registry.get(event.backend)
            if backend is not None and backend not in self._probing:
                self._probe_in(backend, 0.0)

    def _tick(self) -> None:
        self.registry.tick(self.now)
        self.at(self.now + self.settings.tick, self._tick)

    def _probe_in(self, backend: Backend, wait: float) -> None:
        due = self._probe_at[backend] = self.now + wait
        self.at(due, lambda: self._probe(backend, due))

    def _probe(self, backend: Backend, due: float) -> None:
        if self._probe_at[backend] != due or backend in self._probing:
            return
        self._probing.add(backend)
        started = self.now
        behaviour = self._behaviour[backend]
        done = False

        def end(failure: str, unhealthy_response: bool = False) -> None:
            nonlocal done
            if done:
                return
            done = True
            self._probing.discard(backend)
            took = self.now - started
            self._probe_in(backend, self.registry.probed(backend, failure, took, self.now, "", unhealthy_response))

        if behaviour.refuses:
            end("refused")
            return
        failure = "" if behaviour.probe_status == 200 else f"status {behaviour.probe_status}"
        self._answer_later(backend, lambda: end(failure, unhealthy_response=bool(failure)))
        self.at(started + self.settings.health.timeout, lambda: end("timeout"))

    def _request(self) -> None:
        self.at(self.now + self.gap, self._request)
        usable = self.registry.usable
        if not usable:
            return
        backend = usable[next(self._turn) % len(usable)]
        self.picked[backend.id].append(self.now)
        self.picks.append(tuple(b.state for b in self.registry.backends))
        self.attempt(backend)

    def attempt(self, backend: Backend) -> None:
        attempt = Attempt(Exchange("GET", True, self.now, self.now + 5), backend, self.now)
        self.registry.attempt_started(attempt)
        behaviour = self._behaviour[backend]
        if behaviour.refuses:
            self.registry.attempt_failed(attempt, Failure.REFUSED, self.now)
            return
        if not behaviour.connects:
            late = self.now + self.settings.retry.connect_timeout
            self.at(late, lambda: self.registry.attempt_failed(attempt, Failure.CONNECT_TIMEOUT, self.now))
            return
        self.registry.attempt_sent(attempt, self.now)
        done = False

        def answer() -> None:
            nonlocal done
            if not done:
                done = True
                self.registry.attempt_answered(attempt, behaviour.status, self.now)
                self.registry.attempt_completed(attempt, self.now)

        def give_up() -> None:
            nonlocal done
            if not done:
                done = True
                self.registry.attempt_failed(attempt, Failure.TIMEOUT, self.now)

        if behaviour.works:
            self._answer_later(backend, answer)
        self.at(self.now + self.settings.retry.per_try_timeout, give_up)

    # --- results ---
    def transitions(self, backend: Backend) -> list[Transition]:
        return [e for e in self.events if isinstance(e, Transition) and e.backend == backend.id]

    def seen(self, kind: type[Event], backend: Backend) -> list[Event]:
        return [e for e in self.events if isinstance(e, kind) and e.backend == backend.id]

    def last_pick(self, backend: Backend) -> float:
        return self.picked[backend.id][-1]
