"""New settings for a running core: what changes at once, and what stays."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from lb.core.actions import Queued, Refusal, TimedOut
from lb.core.backend import State
from lb.core.balancer import Balancer
from lb.core.events import Event
from lb.core.exchange import Attempt, Failure
from lb.core.load_weights import LoadReport
from lb.core.policies import UnknownPolicyError
from lb.core.settings import AdmissionSettings, HealthSettings, RetrySettings, Settings

START = Settings(health=HealthSettings(jitter=0.0))


class Running:
    """A balancer with backends that are UP."""

    def __init__(self, settings: Settings = START, names: str = "ab") -> None:
        self.events: list[Event] = []
        self.balancer = Balancer(settings, Random(1), self.events.append)
        self.settings = settings
        for name in names:
            self.balancer.probed(self.balancer.insert(name, name, 1, 0.0), "", 0.001, 0.0)

    def use(self, now: float = 1.0, **changed: object) -> None:
        self.settings = replace(self.settings, **changed)  # type: ignore[arg-type]  # names are fields
        self.balancer.use(self.settings, now)

    def attempt(self, now: float = 1.0) -> Attempt:
        step = self.balancer.next(self.balancer.admit("GET", now), now)
        assert isinstance(step, Attempt)
        return step


def test_nothing_moves_when_settings_change() -> None:
    running = Running()
    before = len(running.events)
    running.use(health=replace(START.health, fall=5), retry=replace(START.retry, max_attempts=1))

    assert [one.state for one in running.balancer.backends] == [State.UP] * 2
    assert running.events[before:] == []


def test_another_interval_and_fall_count_from_the_next_probe_on() -> None:
    running = Running()
    first = running.balancer.backends[0]
    assert running.balancer.probed(first, "", 0.001, 1.0) == 0.5
    running.use(health=replace(START.health, interval=7.0, fall=1))

    assert running.balancer.probed(first, "", 0.001, 1.5) == 7.0
    running.balancer.probed(first, "timeout", 0.4, 2.0)
    assert first.state is State.DOWN


def test_a_policy_that_the_operator_chose_outlives_a_reload_that_names_no_other() -> None:
    running = Running()
    running.balancer.use_policy("random")
    running.use(retry=replace(START.retry, hedge=False))
    assert running.balancer.policy == "random"
    running.use(policy="p2c")
    assert running.balancer.policy == "p2c"


def test_an_unknown_policy_changes_nothing() -> None:
    running = Running()
    with pytest.raises(UnknownPolicyError):
        running.use(policy="nonsense", retry=RetrySettings(max_attempts=1))
    failed = running.attempt()
    running.balancer.sent(failed, 1.0)
    assert running.balancer.failed(failed, Failure.RESET, 1.1), "still three attempts"


def test_caps_and_queue_count_at_once() -> None:
    running = Running(names="a")
    running.attempt()
    running.use(admission=AdmissionSettings(max_in_flight=1, max_queue=0))
    assert running.balancer.next(running.balancer.admit("GET", 1.0), 1.0) == Refusal(503, "overload", 1.0)
    running.use(admission=AdmissionSettings(max_in_flight=1, max_queue=1))
    assert running.balancer.next(running.balancer.admit("GET", 1.0), 1.0) == Queued()
    running.use(admission=AdmissionSettings(max_in_flight=2, max_queue=1))
    (resumed,) = running.balancer.tick(1.01)
    assert isinstance(resumed.step, Attempt)  # type: ignore[union-attr]  # a Resume


def test_a_shorter_time_out_is_for_attempts_that_come_later() -> None:
    running = Running()
    old = running.attempt(1.0)
    running.balancer.sent(old, 1.0)
    running.use(retry=replace(START.retry, per_try_timeout=0.1, hedge=False))
    running.balancer.tick(1.49)
    assert running.balancer.tick(1.5) == []
    running.balancer.completed(old, 1.5)
    new = running.attempt(1.5)
    running.balancer.sent(new, 1.5)
    running.balancer.tick(1.59)
    assert running.balancer.tick(1.61) == [TimedOut(new)]


def test_another_budget_starts_anew() -> None:
    running = Running()
    running.use(retry=RetrySettings(budget_ratio=0.0, budget_min_per_s=0.0))
    attempt = running.attempt()
    assert not running.balancer.failed(attempt, Failure.REFUSED, 1.0)
    running.use(retry=RetrySettings())
    attempt = running.attempt()
    assert running.balancer.failed(attempt, Failure.REFUSED, 1.0)


def test_a_closed_panic_takes_effect_in_the_middle_of_one() -> None:
    running = Running(names="a")
    for at in (1.0, 1.1):
        running.balancer.probed(running.balancer.backends[0], "timeout", 0.4, at)
    assert running.balancer.panic
    assert running.balancer.usable
    running.use(2.0, panic="closed")
    assert not running.balancer.usable
    running.use(2.0, panic="open")
    assert running.balancer.usable


def test_without_load_feedback_weights_are_whole_again() -> None:
    running = Running(replace(START, load_feedback=True))
    busy, idle = running.balancer.backends
    for step in range(40):
        now = 1.0 + step / 2
        running.balancer.reported(busy, LoadReport(cpu=1.0), now)
        running.balancer.reported(idle, LoadReport(cpu=0.0), now)
        running.balancer.tick(now)
    assert busy.effective_weight < 0.9
    running.use(30.0, load_feedback=False)
    running.balancer.tick(31.0)
    assert [busy.effective_weight, idle.effective_weight] == [1.0, 1.0]


def test_slow_start_begins_with_those_that_come_up_later() -> None:
    running = Running()
    running.use(100.0, slow_start=10.0)
    newcomer = running.balancer.insert("c", "c", 1, 100.0)
    running.balancer.probed(newcomer, "", 0.001, 100.0)
    assert [one.effective_weight for one in running.balancer.backends] == [1.0, 1.0, pytest.approx(0.1)]
