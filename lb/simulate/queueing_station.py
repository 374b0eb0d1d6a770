"""A simulated backend: c servers behind one queue, first come, first served, with faults."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from math import exp, inf
from random import Random

from .agenda import Action, Agenda
from .service_times import ServiceTime

PROBE_DURATION_S = 0.001
"""Duration of a passed health check, which does not wait in the queue: an event loop serves it between requests."""


class Condition(Enum):
    """How the backend reacts to connections: normal, `docker pause`, process killed, container killed."""

    WELL = "well"
    PAUSED = "accepts and does not respond; requests are executed on resume"
    DEAD = "refuses connections and cuts existing ones"
    GONE = "drops all packets, also on existing connections"


@dataclass(frozen=True, slots=True)
class Model:
    """Capacity of one backend."""

    service: ServiceTime
    servers: int = 1
    weight: float = 1.0
    """Weight that the balancer is configured with."""
    cold_factor: float = 1.0
    """Factor by which work takes longer just after a restart."""
    warm_up_s: float = 1.0
    """Time constant, in seconds, with which `cold_factor` decays to 1."""


@dataclass(slots=True, eq=False)
class Job:
    """One request inside a backend."""

    work: float
    """Server time that it still needs, in seconds."""
    answer: Action
    cut: Action
    """Called if its connection ends before the response."""


class Station:
    """Serves jobs. A job that its client has cancelled is still executed, as in most servers."""

    def __init__(self, agenda: Agenda, model: Model, rng: Random) -> None:
        self.model = model
        self.condition = Condition.WELL
        self._agenda = agenda
        self._rng = rng
        self._waiting: deque[Job] = deque()
        self._running: dict[Job, float] = {}
        """Job → time at which it will be done."""
        self._frozen: list[Job] = []
        self._unanswered_probes: list[Action] = []
        self._restarted = -inf

    def submit(self, answer: Action, cut: Action) -> None:
        """Add a request that arrived on an open connection."""
        job = Job(self.model.service(self._rng) * self._slowdown(), answer, cut)
        self._waiting.append(job)
        self._fill()

    def probe(self, end: Callable[[str], None]) -> None:
        """Start a health check. `end` is called with the failure (empty: passed), or never without a response."""
        match self.condition:
            case Condition.WELL:
                self._agenda.after(PROBE_DURATION_S, lambda: end(""))
            case Condition.PAUSED:
                self._unanswered_probes.append(lambda: end(""))
            case Condition.DEAD:
                end("refused")
            case Condition.GONE:
                pass

    def set_condition(self, condition: Condition) -> None:
        """Begin a fault, or end it with the condition WELL."""
        if condition is Condition.WELL and self.condition in (Condition.DEAD, Condition.GONE):
            self._restarted = self._agenda.now
        self.condition = condition
        match condition:
            case Condition.WELL:
                self._wake()
            case Condition.PAUSED:
                self._freeze()
            case Condition.DEAD:
                for job in self._drop():
                    self._agenda.after(0.0, job.cut)
            case Condition.GONE:
                self._drop()

    def _slowdown(self) -> float:
        if self.model.cold_factor == 1.0:
            return 1.0
        return 1.0 + (self.model.cold_factor - 1.0) * exp(-(self._agenda.now - self._restarted) / self.model.warm_up_s)

    def _fill(self) -> None:
        if self.condition is not Condition.WELL:
            return
        while self._waiting and len(self._running) < self.model.servers:
            self._run(self._waiting.popleft())

    def _run(self, job: Job) -> None:
        done = self._running[job] = self._agenda.now + job.work
        self._agenda.at(done, lambda: self._done(job, done))

    def _done(self, job: Job, when: float) -> None:
        if self._running.get(job) != when:  # paused or lost in the meantime
            return
        del self._running[job]
        self._fill()
        job.answer()

    def _freeze(self) -> None:
        for job, done in self._running.items():
            job.work = done - self._agenda.now
            self._frozen.append(job)
        self._running.clear()

    def _wake(self) -> None:
        frozen, self._frozen = self._frozen, []
        for job in frozen:
            self._run(job)
        self._fill()
        probes, self._unanswered_probes = self._unanswered_probes, []
        for answer in probes:
            self._agenda.after(PROBE_DURATION_S, answer)

    def _drop(self) -> list[Job]:
        lost = [*self._running, *self._frozen, *self._waiting]
        self._running.clear()
        self._frozen.clear()
        self._waiting.clear()
        self._unanswered_probes.clear()
        return lost
