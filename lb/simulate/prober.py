"""Active checks on the simulated clock, with the same rules as `lb.probes.scheduler` on the real clock."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.backend import Backend
from ..core.balancer import Balancer
from .agenda import Agenda
from .queueing_station import Station


@dataclass(slots=True, eq=False)
class _Schedule:
    backend: Backend
    station: Station
    due: float = 0.0
    under_way: bool = False


class Prober:
    """Probes each backend repeatedly, one probe at a time, and immediately if traffic requests it."""

    def __init__(self, agenda: Agenda, balancer: Balancer, timeout: float) -> None:
        self._agenda = agenda
        self._balancer = balancer
        self._timeout = timeout
        self._schedules: dict[str, _Schedule] = {}

    def add(self, backend: Backend, station: Station) -> None:
        """Start to probe the backend."""
        schedule = self._schedules[backend.id] = _Schedule(backend, station)
        self._plan(schedule, 0.0)

    def probe_now(self, backend_id: str) -> None:
        """Probe the backend now instead of after the interval."""
        schedule = self._schedules.get(backend_id)
        if schedule is not None and not schedule.under_way:
            self._plan(schedule, 0.0)

    def _plan(self, schedule: _Schedule, wait: float) -> None:
        due = schedule.due = self._agenda.now + wait
        self._agenda.at(due, lambda: self._begin(schedule, due))

    def _begin(self, schedule: _Schedule, due: float) -> None:
        if schedule.under_way or schedule.due != due:  # superseded by an earlier probe
            return
        schedule.under_way, started, over = True, self._agenda.now, False

        def end(failure: str) -> None:
            nonlocal over
            if not over:
                over, schedule.under_way = True, False
                now = self._agenda.now
                self._plan(schedule, self._balancer.probed(schedule.backend, failure, now - started, now))

        schedule.station.probe(end)
        self._agenda.after(self._timeout, lambda: end("timeout"))
