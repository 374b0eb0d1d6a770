"""Simulated clients, connections and ticks around the real balancer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from math import inf
from random import Random

from ..core.actions import Queued, Refusal, Resume, StartHedge, TimedOut
from ..core.backend import Backend
from ..core.balancer import Balancer
from ..core.events import Event, ProbeWanted, Transition
from ..core.exchange import Attempt, Exchange, Failure
from ..core.settings import Settings
from .agenda import Agenda
from .prober import Prober
from .queueing_station import Condition, Model, Station

Gaps = Callable[[Random], float]
"""Function that returns the seconds until the next request."""


@dataclass(slots=True, eq=False)
class Request:
    """Result of one request."""

    arrived: float
    first: str = ""
    """Id of the backend that was picked first; empty if none was."""
    attempts: int = 0
    executed: int = 0
    """Number of executions by backends; 2 is a duplicate."""
    status: int = 0
    """HTTP status; 0 while there is no response."""
    took: float = inf

    def latency(self, now: float) -> float:
        """Return the seconds until its response, or until now if it has none."""
        return self.took if self.status else now - self.arrived


class Simulation:
    """A balancer with the backends of `fleet`, and open-loop clients, which do not wait for earlier responses.

    Arrivals, work and the balancer each have their own random stream, so that two policies with one seed see the same
    requests.
    """

    def __init__(
        self, settings: Settings, fleet: Sequence[Model], *, seed: int, method: str = "GET", probing: bool = True
    ) -> None:
        self.agenda = Agenda()
        self.requests: list[Request] = []
        self.transitions: list[Transition] = []
        self._settings = settings
        self._method = method
        self._open: dict[Exchange, Request] = {}
        self._arrivals, work = Random(f"{seed}/arrivals"), Random(f"{seed}/work")
        self.balancer = Balancer(settings, Random(f"{seed}/balancer"), self._emit)
        self._prober = Prober(self.agenda, self.balancer, settings.health.timeout)
        self.stations: dict[Backend, Station] = {}
        for number, model in zip(count(1), fleet, strict=False):
            backend = self.balancer.insert(f"api-{number}", "127.0.0.1", 9000 + number, 0.0, model.weight)
            station = self.stations[backend] = Station(self.agenda, model, work)
            if probing:
                self._prober.add(backend, station)
            else:
                self.balancer.probed(backend, "", 0.0, 0.0)
        self._tick()

    @property
    def backends(self) -> list[Backend]:
        """Backends in the order of the fleet."""
        return list(self.stations)

    def traffic(self, gaps: Gaps, until: float) -> None:
        """Send requests, the first after one gap, as long as they arrive before `until` (seconds)."""
        due = self.agenda.now + gaps(self._arrivals)
        if due < until:
            self.agenda.at(due, lambda: self._arrive(gaps, until))

    def set_condition(self, backend: Backend, condition: Condition) -> None:
        """Begin a fault on the backend, or end it."""
        self.stations[backend].set_condition(condition)

    def run_until(self, end: float) -> None:
        """Advance the clock to `end` (seconds)."""
        self.agenda.run_until(end)

    def _emit(self, event: Event) -> None:
        if isinstance(event, ProbeWanted):
            self._prober.probe_now(event.backend)
        elif isinstance(event, Transition):
            self.transitions.append(event)

    def _arrive(self, gaps: Gaps, until: float) -> None:
        now = self.agenda.now
        self.traffic(gaps, until)
        exchange = self.balancer.admit(self._method, now)
        request = self._open[exchange] = Request(now)
        self.requests.append(request)
        self._step(exchange, self.balancer.next(exchange, now))

    def _step(self, exchange: Exchange, step: Attempt | Queued | Refusal) -> None:
        if isinstance(step, Attempt):
            self._start(step)
        elif isinstance(step, Refusal):
            self._finish(exchange, step.status)

    def _start(self, attempt: Attempt) -> None:
        request, station = self._open[attempt.exchange], self.stations[attempt.backend]
        request.attempts += 1
        request.first = request.first or attempt.backend.id
        match station.condition:
            case Condition.DEAD:
                self._fail(attempt, Failure.REFUSED)
            case Condition.GONE:
                wait = self._settings.retry.connect_timeout
                self.agenda.after(wait, lambda: self._fail(attempt, Failure.CONNECT_TIMEOUT))
            case _:
                self.balancer.sent(attempt, self.agenda.now)
                station.submit(lambda: self._answer(attempt, request), lambda: self._fail(attempt, Failure.RESET))

    def _answer(self, attempt: Attempt, request: Request) -> None:
        request.executed += 1
        exchange, now = attempt.exchange, self.agenda.now
        if not self.balancer.answered(attempt, 200, now):
            return
        exchange.responding = True
        for twin in [other for other in exchange.attempts if other is not attempt]:
            self._resume(self.balancer.cancelled(twin, now))
        self._finish(exchange, 200)
        self._resume(self.balancer.completed(attempt, now))

    def _fail(self, attempt: Attempt, failure: Failure) -> None:
        exchange, now = attempt.exchange, self.agenda.now
        if attempt not in exchange.attempts:
            return
        if self.balancer.failed(attempt, failure, now):
            self._step(exchange, self.balancer.next(exchange, now))
        elif not exchange.attempts:
            self._finish(exchange, 504 if failure is Failure.TIMEOUT else 502)

    def _finish(self, exchange: Exchange, status: int) -> None:
        request = self._open.pop(exchange)
        request.status, request.took = status, self.agenda.now - request.arrived

    def _resume(self, resumed: Sequence[Resume]) -> None:
        for action in resumed:
            self._step(action.exchange, action.step)

    def _tick(self) -> None:
        for action in self.balancer.tick(self.agenda.now):
            match action:
                case TimedOut(attempt):
                    self._fail(attempt, Failure.TIMEOUT)
                case StartHedge(attempt):
                    self._start(attempt)
                case Resume():
                    self._resume([action])
        self.agenda.after(self._settings.tick, self._tick)
