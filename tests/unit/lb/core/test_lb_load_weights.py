from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from lb.core.backend import Backend
from lb.core.load_weights import FLOOR, STALE, LoadFeedback, LoadReport, report_in_header, report_in_health
from lb.core.settings import Settings
from tests.support.balancing import World, make_backends

REPORT_EVERY = 0.5


class Fleet:
    """Backends whose utilisation is their share of the traffic over their capacity, as reported with every probe."""

    def __init__(self, capacities: list[float], demand: float, measured_over: float = 1.0) -> None:
        self.now = 100.0
        self.backends = make_backends([1.0] * len(capacities))
        self.capacity = dict(zip(self.backends, capacities, strict=True))
        self.demand = demand
        self.feedback = LoadFeedback(max_in_flight=1000)
        self.measured = dict.fromkeys(self.backends, 0.0)
        self.keep = 1 - REPORT_EVERY / (REPORT_EVERY + measured_over)
        self.factors: list[tuple[float, ...]] = []

    def utilisation(self, backend: Backend) -> float:
        share = backend.load_factor / sum(one.load_factor for one in self.backends)
        return min(1.0, self.demand * share / self.capacity[backend])

    def run(self, seconds: float, noise: Callable[[int], float] = lambda n: 0.0) -> None:
        for step in range(int(seconds / REPORT_EVERY)):
            self.now += REPORT_EVERY
            for number, backend in enumerate(self.backends):
                current = self.utilisation(backend)
                self.measured[backend] = current + self.keep * (self.measured[backend] - current)
                reported = min(1.0, max(0.0, self.measured[backend] + noise(step * 7 + number)))
                self.feedback.reported(backend, LoadReport(cpu=reported), self.now)
            self.feedback.tick(self.now)
            self.factors.append(tuple(backend.load_factor for backend in self.backends))


def test_a_backend_of_half_the_capacity_ends_with_half_the_weight() -> None:
    fleet = Fleet([1.0, 1.0, 0.5], demand=1.5)
    fleet.run(120)
    assert [backend.load_factor for backend in fleet.backends] == pytest.approx([1.0, 1.0, 0.5], abs=0.04)
    used = [fleet.utilisation(backend) for backend in fleet.backends]
    assert max(used) - min(used) < 0.05  # a factor within the 2 % that are not passed on moves u by no more


@pytest.mark.parametrize(("capacities", "demand"), [([1.0, 0.5], 1.2), ([1.0, 1.0, 0.25], 2.0), ([1.0, 0.3, 0.6], 1.7)])
def test_factors_approach_without_swinging(capacities: list[float], demand: float) -> None:
    """Over- and back again would show as a factor well below where it ends: 5 % is the quantum twice and some."""
    fleet = Fleet(capacities, demand)
    fleet.run(180)
    for number, settled in enumerate(fleet.factors[-1]):
        course = [factors[number] for factors in fleet.factors]
        assert min(course) >= settled - 0.05
        tail = course[len(course) // 2 :]
        assert max(tail) - min(tail) < 0.05


def test_noise_does_not_shake_equal_backends() -> None:
    fleet = Fleet([1.0, 1.0, 1.0], demand=1.5)
    fleet.run(60, noise=lambda n: 0.1 if n % 3 else -0.1)
    assert min(min(factors) for factors in fleet.factors) > 0.85


def test_idle_backends_are_left_alone() -> None:
    """1 % and 2 % are as good as equal, although one is twice the other."""
    fleet = Fleet([1.0, 0.5], demand=0.02)
    fleet.run(60)
    assert [backend.load_factor for backend in fleet.backends] == pytest.approx([1.0, 1.0], abs=0.1)


def test_no_report_takes_more_than_nine_tenths() -> None:
    calm, busy = make_backends([1.0, 1.0])
    feedback, now = LoadFeedback(1000), 100.0
    for _ in range(400):
        now += REPORT_EVERY
        feedback.reported(calm, LoadReport(cpu=0.0), now)
        feedback.reported(busy, LoadReport(cpu=1.0), now)
        feedback.tick(now)
    assert (calm.load_factor, busy.load_factor) == (1.0, pytest.approx(FLOOR, abs=0.02))  # what is not passed on


def test_a_backend_that_falls_silent_is_neutral_again_and_counts_for_nobody() -> None:
    fleet = Fleet([1.0, 0.5], demand=1.0)
    fleet.run(60)
    other, silent = fleet.backends
    assert silent.load_factor < 0.7

    for _ in range(int((STALE + 6) / REPORT_EVERY)):
        fleet.now += REPORT_EVERY
        fleet.feedback.reported(other, LoadReport(cpu=0.9), fleet.now)
        fleet.feedback.tick(fleet.now)

    assert (other.load_factor, silent.load_factor) == (1.0, 1.0)


def test_what_never_reports_is_neutral() -> None:
    reporting, mute = make_backends([1.0, 1.0])
    feedback = LoadFeedback(1000)
    for step in range(100):
        feedback.reported(reporting, LoadReport(cpu=1.0), 100.0 + step / 2)
        feedback.tick(100.0 + step / 2)
    assert (reporting.load_factor, mute.load_factor) == (1.0, 1.0)


def test_reports_count_by_time_and_not_by_number() -> None:
    """A hundred reports in 50 ms count as much as one in 50 ms: a burst must not outweigh earlier reports."""
    [backend] = make_backends([1.0])
    many, one = LoadFeedback(1000), LoadFeedback(1000)
    for feedback in (many, one):
        feedback.reported(backend, LoadReport(cpu=0.0), 100.0)
    for n in range(1, 101):
        many.reported(backend, LoadReport(cpu=1.0), 100.0 + n * 0.0005)
    one.reported(backend, LoadReport(cpu=1.0), 100.05)
    assert many._states[backend].utilisation == pytest.approx(one._states[backend].utilisation, rel=1e-6)


def test_whichever_resource_is_short_counts() -> None:
    assert LoadReport(cpu=0.2, in_flight=900).utilisation(1000) == 0.9
    assert LoadReport(cpu=0.7, in_flight=3).utilisation(1000) == 0.7
    assert LoadReport(cpu=7.0).utilisation(1000) == 1.0
    assert LoadReport().utilisation(1000) is None


@pytest.mark.parametrize(
    ("value", "report"),
    [
        ("cpu=0.42, in_flight=3", LoadReport(0.42, 3.0)),
        ("in_flight=3;cpu=0.42", LoadReport(0.42, 3.0)),
        ("cpu = 1", LoadReport(1.0, None)),
        ("application_utilization=0.9, in_flight=2", LoadReport(None, 2.0)),
        ("cpu=-1", None),
        ("cpu=0x1", None),
        ("notcpu=1", None),
        ("cpu=nan", None),
        ("", None),
    ],
)
def test_a_header_is_read_or_ignored(value: str, report: LoadReport | None) -> None:
    assert report_in_header(value) == report


@pytest.mark.parametrize(
    ("load", "report"),
    [
        ({"cpu": 0.5, "in_flight": 2, "uptime_s": 9}, LoadReport(0.5, 2.0)),
        ({"cpu": "much"}, None),
        ({"cpu": True, "in_flight": 1}, LoadReport(None, 1.0)),
        ({"cpu": float("inf")}, None),
        ([0.5], None),
        (None, None),
    ],
)
def test_a_health_report_is_read_or_ignored(load: object, report: LoadReport | None) -> None:
    assert report_in_health(load) == report


@pytest.mark.parametrize(("switched_on", "less"), [(True, True), (False, False)])
def test_weights_follow_only_where_that_is_asked_for(switched_on: bool, less: bool) -> None:
    world = World(settings=replace(Settings(), load_feedback=switched_on))
    for _ in range(60):
        for backend in world.balancer.backends:
            busy = 1.0 if backend.id == "api-1" else 0.2
            world.balancer.reported(backend, LoadReport(cpu=busy), world.now)
        world.tick_until(world.now + 0.5, step=0.1)
    assert (world.backend("api-1").effective_weight < 0.5) is less
    assert world.backend("api-2").effective_weight == 1.0
