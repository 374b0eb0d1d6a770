"""A backend's queue and its faults, one job at a time."""

from __future__ import annotations

from random import Random

import pytest

from lb.simulate.agenda import Agenda
from lb.simulate.queueing_station import PROBE_DURATION_S, Condition, Model, Station


class Constant:
    """Every job takes a second."""

    mean, scv = 1.0, 0.0

    def __call__(self, rng: Random) -> float:
        return 1.0


class Backend:
    """A station, and what became of the jobs sent to it, by number: when they were answered or cut."""

    def __init__(self, servers: int = 1, cold_factor: float = 1.0) -> None:
        self.agenda = Agenda()
        self.station = Station(
            self.agenda, Model(Constant(), servers, cold_factor=cold_factor, warm_up_s=1.0), Random(1)
        )
        self.answered: dict[int, float] = {}
        self.cut: dict[int, float] = {}
        self.probes: list[tuple[float, str]] = []

    def submit(self, *numbers: int) -> None:
        for n in numbers:
            self.station.submit(lambda n=n: self._note(self.answered, n), lambda n=n: self._note(self.cut, n))  # type: ignore[misc] # binds the loop's value

    def probe(self) -> None:
        self.station.probe(lambda failure: self.probes.append((self.agenda.now, failure)))

    def at(self, when: float, condition: Condition) -> None:
        self.agenda.run_until(when)
        self.station.set_condition(condition)

    def _note(self, where: dict[int, float], number: int) -> None:
        where[number] = self.agenda.now


def test_one_server_works_first_come_first_served() -> None:
    backend = Backend()
    backend.submit(1, 2, 3)
    backend.agenda.run_until(10.0)
    assert backend.answered == {1: 1.0, 2: 2.0, 3: 3.0}


def test_two_servers_work_side_by_side() -> None:
    backend = Backend(servers=2)
    backend.submit(1, 2, 3)
    backend.agenda.run_until(10.0)
    assert backend.answered == {1: 1.0, 2: 1.0, 3: 2.0}


def test_a_pause_stops_the_work_where_it_is_and_keeps_the_queue() -> None:
    backend = Backend()
    backend.submit(1, 2)
    backend.at(0.25, Condition.PAUSED)
    backend.submit(3)
    backend.at(5.0, Condition.WELL)
    backend.agenda.run_until(20.0)
    assert backend.answered == {1: 5.75, 2: 6.75, 3: 7.75}


def test_a_killed_process_cuts_its_connections_at_once() -> None:
    backend = Backend()
    backend.submit(1, 2)
    backend.at(0.25, Condition.DEAD)
    backend.agenda.run_until(20.0)
    assert backend.cut == {1: 0.25, 2: 0.25}
    assert backend.answered == {}


def test_a_killed_container_is_never_heard_of_again() -> None:
    backend = Backend()
    backend.submit(1, 2)
    backend.at(0.25, Condition.GONE)
    backend.at(1.0, Condition.WELL)
    backend.submit(3)
    backend.agenda.run_until(20.0)
    assert backend.cut == {}
    assert backend.answered == {3: 2.0}


def test_probes_pass_wait_for_the_resume_fail_or_are_lost() -> None:
    backend = Backend()
    backend.probe()
    backend.at(1.0, Condition.PAUSED)
    backend.probe()
    backend.at(3.0, Condition.WELL)
    backend.at(5.0, Condition.DEAD)
    backend.probe()
    backend.at(6.0, Condition.GONE)
    backend.probe()
    backend.agenda.run_until(20.0)
    assert backend.probes == [(PROBE_DURATION_S, ""), (3.0 + PROBE_DURATION_S, ""), (5.0, "refused")]


def test_a_restarted_backend_is_cold_and_warms_up() -> None:
    backend = Backend(servers=9, cold_factor=4.0)
    backend.submit(1)
    backend.at(1.0, Condition.DEAD)
    backend.at(2.0, Condition.WELL)
    backend.submit(2)
    backend.agenda.run_until(12.0)
    backend.submit(3)
    backend.agenda.run_until(20.0)
    assert backend.answered[1] == 1.0
    assert backend.answered[2] == pytest.approx(2.0 + 4.0)
    # Ten time constants later 3·e^-10 is left of the three extra seconds.
    assert backend.answered[3] == pytest.approx(13.0, abs=0.001)
