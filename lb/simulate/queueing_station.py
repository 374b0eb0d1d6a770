"""A backend as queueing theory sees it: c servers behind one queue, first come, first served. And as faults see it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from math import exp, inf
from random import Random

from .agenda import Action, Agenda
from .service_times import ServiceTime

PROBE_TAKES = 0.001
"""Seconds. A health check is answered beside the queue, as by a process that still runs its event loop."""


class Condition(Enum):
    """What a connection meets: `docker pause`, a process that was killed, a container that was killed."""

    WELL = "well"
    PAUSED = "connects, then silence; what was sent is executed on resume"
    DEAD = "refuses; what was under way is cut"
    GONE = "a black hole; what was under way is never heard of again"


@dataclass(frozen=True, slots=True)
class Model:
    """What one backend can do."""

    service: ServiceTime
    servers: int = 1
    weight: float = 1.0
    """What the balancer is told of it."""
    cold: float = 1.0
    """Just after a restart work takes this many times longer, …"""
    warms_in: float = 1.0
    """… of which 1/e is left after this many seconds."""


@dataclass(slots=True, eq=False)
class Job:
    """One request inside a backend."""

    work: float
    """Seconds of a server that it still needs."""
    answer: Action
    cut: Action
    """Its connection ends before the answer."""


class Station:
    """Serves jobs. One that is cancelled by its client is executed all the same, as most servers do."""

    def __init__(self, agenda: Agenda, model: Model, rng: Random) -> None:
        self.model = model
        self.condition = Condition.WELL
        self._agenda = agenda
        self._rng = rng
        self._waiting: deque[Job] = deque()
        self._running: dict[Job, float] = {}
        """Job → when it will be done."""
        self._frozen: list[Job] = []
        self._unanswered_probes: list[Action] = []
        self._restarted = -inf

    def submit(self, answer: Action, cut: Action) -> None:
        """A request arrives on an open connection."""
        job = Job(self.model.service(self._rng) * self._slowdown(), answer, cut)
        self._waiting.append(job)
        self._fill()

    def probe(self, end: Callable[[str], None]) -> None:
        """A health check: `end` is told why it failed (empty: passed), or nothing if nobody answers."""
        match self.condition:
            case Condition.WELL:
                self._agenda.after(PROBE_TAKES, lambda: end(""))
            case Condition.PAUSED:
                self._unanswered_probes.append(lambda: end(""))
            case Condition.DEAD:
                end("refused")
            case Condition.GONE:
                pass

    def become(self, condition: Condition) -> None:
        """A fault begins, or is healed (WELL)."""
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
        if self.model.cold == 1.0:
            return 1.0
        return 1.0 + (self.model.cold - 1.0) * exp(-(self._agenda.now - self._restarted) / self.model.warms_in)

    def _fill(self) -> None:
        if self.condition is not Condition.WELL:
            return
        while self._waiting and len(self._running) < self.model.servers:
            self._run(self._waiting.popleft())

    def _run(self, job: Job) -> None:
        done = self._running[job] = self._agenda.now + job.work
        self._agenda.at(done, lambda: self._done(job, done))

    def _done(self, job: Job, when: float) -> None:
        if self._running.get(job) != when:  # frozen or lost in the meantime
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
            self._agenda.after(PROBE_TAKES, answer)

    def _drop(self) -> list[Job]:
        lost = [*self._running, *self._frozen, *self._waiting]
        self._running.clear()
        self._frozen.clear()
        self._waiting.clear()
        self._unanswered_probes.clear()
        return lost
