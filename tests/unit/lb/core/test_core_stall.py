from __future__ import annotations

import pytest

from lb.core.backend import Backend
from lb.core.exchange import Attempt, Exchange
from lb.core.latency import add_lower_bound, add_sample, stall_threshold, suspicion_threshold
from lb.core.settings import PassiveSettings
from lb.core.stall import StallWatch

SETTINGS = PassiveSettings(stall_floor=0.05, stall_ceiling=0.25, stall_deviations=6.0)


def a_backend(*samples: float) -> Backend:
    backend = Backend("api-1", "h", 1)
    for sample in samples:
        add_sample(backend, sample)
    return backend


def an_attempt(backend: Backend) -> Attempt:
    return Attempt(Exchange("GET", True, 0.0, 5.0), backend, 0.0)


def test_the_estimators_are_those_of_rfc_6298() -> None:
    backend = a_backend(0.1)
    assert (backend.latency_mean, backend.latency_deviation) == (0.1, 0.05)
    add_sample(backend, 0.2)
    assert backend.latency_deviation == pytest.approx(0.75 * 0.05 + 0.25 * 0.1)
    assert backend.latency_mean == pytest.approx(0.875 * 0.1 + 0.125 * 0.2)


def test_a_steady_fast_backend_is_given_the_floor_beyond_its_mean() -> None:
    assert stall_threshold(a_backend(*[0.002] * 50), SETTINGS) == pytest.approx(0.052)


def test_a_backend_without_samples_is_given_the_ceiling() -> None:
    assert stall_threshold(a_backend(), SETTINGS) == 0.25


def test_a_slow_backend_is_worth_a_probe_at_the_ceiling_but_explains_longer_waits() -> None:
    slow = a_backend(*[0.4] * 50)
    assert stall_threshold(slow, SETTINGS) == 0.25
    assert suspicion_threshold(slow, SETTINGS) == pytest.approx(0.45)


def test_one_slow_answer_makes_room_for_the_next() -> None:
    backend = a_backend(*[0.002] * 50)
    add_sample(backend, 0.3)
    assert suspicion_threshold(backend, SETTINGS) > 0.3


def test_a_wait_that_was_cut_short_only_ever_raises_the_estimate() -> None:
    backend = a_backend(*[0.1] * 50)
    add_lower_bound(backend, 0.01)
    assert backend.latency_mean == pytest.approx(0.1)
    add_lower_bound(backend, 0.5)
    assert backend.latency_mean == pytest.approx(0.15)


def test_the_oldest_attempt_decides() -> None:
    watch, backend = StallWatch(max_gap=1.0), a_backend()
    first, second = an_attempt(backend), an_attempt(backend)
    watch.sent(first, 1.0)
    watch.sent(second, 1.5)
    assert watch.tick(2.0) == [(backend, 1.0)]
    watch.ended(first)
    assert watch.tick(2.0) == [(backend, 0.5)]
    watch.ended(second)
    assert watch.tick(2.0) == []


def test_what_was_explained_is_never_held_against_the_backend_again() -> None:
    watch, backend = StallWatch(max_gap=1.0), a_backend()
    old, new = an_attempt(backend), an_attempt(backend)
    watch.sent(old, 1.0)
    watch.clear(backend)
    watch.sent(new, 3.0)
    assert watch.wait(backend, 3.1) == pytest.approx(0.1)
    watch.ended(old)  # forgotten already: no error
    assert watch.wait(backend, 3.1) == pytest.approx(0.1)


def test_the_balancers_own_pause_is_not_the_backends() -> None:
    watch, backend = StallWatch(max_gap=0.05), a_backend()
    watch.sent(an_attempt(backend), 1.0)
    watch.tick(1.01)
    assert watch.tick(3.0) == [(backend, 0.0)]  # two seconds without a tick: answers may lie unread
    assert watch.tick(3.04) == [(backend, pytest.approx(0.04))]


def test_a_balancer_that_is_always_late_still_notices_a_stall() -> None:
    watch, backend = StallWatch(max_gap=0.05), a_backend()
    watch.sent(an_attempt(backend), 1.0)
    waits = [wait for n in range(10) for _, wait in watch.tick(1.0 + n * 0.2)]
    assert max(waits) >= 0.2
