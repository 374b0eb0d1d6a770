"""New backends: in their start phase, assumed to be UP, or many at once; and the limits of TCP checks."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from lb.core.backend import Backend, State
from lb.core.bounds import bounds
from lb.core.candidates import LARGE_FLEET
from lb.core.registry import Registry
from lb.core.settings import HealthSettings, Settings


def registry(**health: object) -> Registry:
    return Registry(Settings(health=replace(HealthSettings(jitter=0.0), **health)), Random(1), lambda event: None)  # type: ignore[arg-type]


def test_a_booting_backend_may_fail_for_a_while_and_then_needs_one_pass() -> None:
    desk = registry(start_phase=10.0)
    backend = desk.insert("api-1", "h", 1, 0.0)
    for second in range(1, 10):
        assert desk.probed(backend, "refused", 0.001, float(second)) == HealthSettings().fast_interval
        assert backend.state is State.UNKNOWN
    desk.probed(backend, "", 0.001, 9.5)
    assert backend.state is State.UP


def test_after_the_start_phase_the_next_failure_counts() -> None:
    desk = registry(start_phase=10.0)
    backend = desk.insert("api-1", "h", 1, 0.0)
    for second in (8.0, 9.0, 10.5):
        desk.probed(backend, "refused", 0.001, second)
    assert backend.state is State.DOWN


def test_the_start_phase_does_not_cover_a_backend_that_was_up() -> None:
    desk = registry(start_phase=10.0)
    backend = desk.insert("api-1", "h", 1, 0.0)
    desk.probed(backend, "", 0.001, 1.0)
    for second in (2.0, 3.0):
        desk.probed(backend, "refused", 0.001, second)
    assert backend.state is State.DOWN


def test_without_being_asked_to_nobody_is_used_unprobed() -> None:
    desk = registry()
    desk.insert("api-1", "h", 1, 0.0)
    assert desk.usable == ()


def test_taken_on_trust_and_dropped_like_any_other() -> None:
    desk = registry(assume_up=True)
    backend = desk.insert("api-1", "h", 1, 0.0)
    assert desk.usable == (backend,)
    for second in (1.0, 2.0):
        desk.probed(backend, "refused", 0.001, second)
    assert backend.state is State.DOWN
    desk.set_state("api-1", State.UP, 3.0)
    assert backend.state is State.UP, "resumed: as unknown as a new one, hence trusted again"


def counted_snapshots(desk: Registry, backends: list[Backend]) -> int:
    """How many different snapshots policies get to see while all of them come up, a pick after each."""
    seen: set[int] = set()
    kept = []  # so that no identity is used twice
    for backend in backends:
        desk.probed(backend, "", 0.001, 1.0)
        kept.append(desk.usable)
        seen.add(id(kept[-1]))
    return len(seen)


def test_bringing_up_a_large_fleet_under_traffic_rebuilds_few_snapshots() -> None:
    """A snapshot costs O(n), and so do the tables that policies build on it: one for each arrival would be O(n²)."""
    desk = registry()
    backends = [desk.insert(f"api-{n}", "h", n, 0.0) for n in range(4 * LARGE_FLEET)]
    assert counted_snapshots(desk, backends) <= LARGE_FLEET + 1
    assert len(desk.usable) < len(backends)
    desk.tick(1.01)
    assert set(desk.usable) == set(backends), "the next tick uses them all"


def test_in_a_small_fleet_every_arrival_is_used_at_once() -> None:
    desk = registry()
    backends = [desk.insert(f"api-{n}", "h", n, 0.0) for n in range(LARGE_FLEET)]
    assert counted_snapshots(desk, backends) == LARGE_FLEET
    assert len(desk.usable) == LARGE_FLEET


def test_a_departure_is_never_put_off() -> None:
    desk = registry()
    backends = [desk.insert(f"api-{n}", "h", n, 0.0) for n in range(2 * LARGE_FLEET)]
    counted_snapshots(desk, backends)
    desk.set_state("api-0", State.MAINT, 1.0)
    assert backends[0] not in desk.usable


@pytest.mark.parametrize("fault", ["pause", "hang", "slow", "cpu", "unhealthy"])
def test_a_tcp_check_promises_nothing_for_what_it_cannot_see(fault: str) -> None:
    promised = {bound.fault: bound for bound in bounds(Settings(health=HealthSettings(kind="tcp")))}
    assert (promised[fault].reroute_s, promised[fault].reroute_traffic_s) == (None, None)
    assert promised["kill"].reroute_s is not None
    assert promised["blackhole"].reroute_s is not None
    assert promised["error"].reroute_s is None
    assert promised["error"].reroute_traffic_s is not None
