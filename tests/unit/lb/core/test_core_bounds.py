"""The bounds hold for faults of every family, at every phase of the probe schedule."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lb.core.backend import Backend, State
from lb.core.bounds import TRAFFIC_GAP, Bound, bounds
from lb.core.settings import HealthSettings, PassiveSettings, RetrySettings, Settings
from tests.support.core_sim import BLACK_HOLE, DEAD, FAILING, GONE, LYING, OK, PAUSED, UNHEALTHY, Behaviour, World

FAULTS: dict[str, Behaviour] = {
    "kill": GONE,
    "pause": PAUSED,
    "blackhole": BLACK_HOLE,
    "refuse": DEAD,
    "unhealthy": UNHEALTHY,
    "error": FAILING,
}
# A tick of slack: what the simulated shell sees at a tick, it acts on at the next.
PERFECT_CLOCK_SLACK = 0.01

configurations = st.builds(
    lambda health, connect: Settings(health=health, retry=RetrySettings(connect_timeout=connect)),
    st.builds(
        HealthSettings,
        interval=st.floats(0.1, 2.0),
        fast_interval=st.floats(0.02, 0.1),
        timeout=st.floats(0.05, 0.9),
        fall=st.integers(1, 4),
        rise=st.integers(1, 4),
        jitter=st.floats(0.0, 0.5),
    ),
    st.floats(0.05, 0.5),
)


def bound_of(fault: str, config: Settings) -> Bound:
    return next(bound for bound in bounds(config) if bound.fault == fault)


def is_used(world: World, backend: Backend) -> bool:
    return backend in world.registry.usable


def seconds_until(world: World, backend: Backend, *, used: bool, limit: float) -> float:
    started, step = world.now, world.settings.tick / 2
    while is_used(world, backend) is not used:
        world.run(step)
        assert world.now - started <= limit + 1.0, f"still {'un' * used}used"
    return world.now - started


@settings(max_examples=60, deadline=None)
@given(
    config=configurations, fault=st.sampled_from(sorted(FAULTS)), phase=st.floats(0.0, 2.0), seed=st.integers(0, 2**32)
)
def test_probes_alone_keep_the_bounds(config: Settings, fault: str, phase: float, seed: int) -> None:
    world, bound = World(config, gap=0.0, seed=seed), bound_of(fault, config)
    assert bound.reroute_s is not None
    assert bound.readmit_s is not None
    backend = world.backends[0]
    world.run(1.0 + phase)

    world.become(backend, FAULTS[fault])
    assert seconds_until(world, backend, used=False, limit=bound.reroute_s) <= bound.reroute_s + PERFECT_CLOCK_SLACK
    world.run(phase)
    world.become(backend, OK)
    assert seconds_until(world, backend, used=True, limit=bound.readmit_s) <= bound.readmit_s + PERFECT_CLOCK_SLACK


@settings(max_examples=60, deadline=None)
@given(
    config=configurations, fault=st.sampled_from(sorted(FAULTS)), phase=st.floats(0.0, 2.0), seed=st.integers(0, 2**32)
)
def test_with_traffic_the_tighter_bounds_hold_and_so_does_readmission(
    config: Settings, fault: str, phase: float, seed: int
) -> None:
    bound = bound_of(fault, config)
    assert bound.reroute_traffic_s is not None
    assert bound.readmit_s is not None
    world = World(config, gap=TRAFFIC_GAP / 3, seed=seed)
    backend = world.backends[0]
    world.run(1.0 + phase)

    began = world.now
    world.become(backend, FAULTS[fault])
    seconds_until(world, backend, used=False, limit=bound.reroute_traffic_s)
    world.run(3.0)
    assert world.last_pick(backend) - began <= bound.reroute_traffic_s + PERFECT_CLOCK_SLACK
    world.become(backend, OK)
    assert seconds_until(world, backend, used=True, limit=bound.readmit_s) <= bound.readmit_s + PERFECT_CLOCK_SLACK


@settings(max_examples=60, deadline=None)
@given(
    config=configurations, fault=st.sampled_from(sorted(FAULTS)), lasts=st.floats(0.01, 4.0), seed=st.integers(0, 2**32)
)
def test_however_short_the_fault_readmission_keeps_its_bound(
    config: Settings, fault: str, lasts: float, seed: int
) -> None:
    """Under load a short fault leaves failed requests behind: an ejection for them would outlast the bound."""
    bound = bound_of(fault, config)
    assert bound.readmit_s is not None
    world = World(config, seed=seed)
    backend = world.backends[0]
    world.run(1.0)
    world.become(backend, FAULTS[fault])
    world.run(lasts)
    world.become(backend, OK)
    world.run(bound.readmit_s + PERFECT_CLOCK_SLACK)
    assert is_used(world, backend)


@settings(max_examples=40, deadline=None)
@given(config=configurations, over=st.floats(0.01, 1.0), phase=st.floats(0.0, 1.0), seed=st.integers(0, 2**32))
def test_a_delay_above_the_probe_time_out_keeps_its_bound(
    config: Settings, over: float, phase: float, seed: int
) -> None:
    bound = bound_of("delay", config)
    assert bound.reroute_traffic_s is not None
    world = World(config, gap=TRAFFIC_GAP / 3, seed=seed)
    backend = world.backends[0]
    world.run(1.0 + phase)
    began = world.now
    world.become(backend, Behaviour(answers_after=config.health.timeout + over))
    world.run(bound.reroute_traffic_s + 3.0)
    assert world.last_pick(backend) - began <= bound.reroute_traffic_s + PERFECT_CLOCK_SLACK


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0.0, 0.95), jitter=st.floats(0.0, 0.1), seed=st.integers(0, 2**32))
def test_a_delay_below_the_time_outs_ejects_nobody(share: float, jitter: float, seed: int) -> None:
    config = Settings(health=HealthSettings(jitter=jitter))
    world = World(config, seed=seed)
    world.run(1.0)
    world.become(world.backends[0], Behaviour(answers_after=share * config.health.timeout))
    world.run(5.0)
    assert [t.new for t in world.transitions(world.backends[0])] == [State.UP]


@settings(max_examples=20, deadline=None)
@given(lasts=st.floats(0.1, 20.0), seed=st.integers(0, 2**32))
def test_a_liar_is_out_and_back_within_its_bounds(lasts: float, seed: int) -> None:
    config = Settings()
    bound = bound_of("lie", config)
    assert bound.reroute_traffic_s is not None
    assert bound.readmit_s is not None
    world = World(config, gap=TRAFFIC_GAP / 3, seed=seed)
    backend = world.backends[0]
    world.run(1.0)
    began = world.now
    world.become(backend, LYING)
    limit = bound.reroute_traffic_s
    assert seconds_until(world, backend, used=False, limit=limit) <= limit + PERFECT_CLOCK_SLACK
    world.run(max(0.0, began + lasts - world.now))
    world.become(backend, OK)
    assert seconds_until(world, backend, used=True, limit=bound.readmit_s) <= bound.readmit_s + PERFECT_CLOCK_SLACK


def test_the_bound_of_a_pause_is_tight() -> None:
    """A bound must not be too loose: at some phase, the measured time comes within a fifth of it."""
    config = Settings()
    bound = bound_of("pause", config).reroute_s
    assert bound is not None
    worst = 0.0
    for phase in range(60):
        world = World(config, gap=0.0, seed=phase)
        world.run(2.0 + phase / 100)
        world.become(world.backends[0], PAUSED)
        worst = max(worst, seconds_until(world, world.backends[0], used=False, limit=bound))
    assert 0.8 * bound <= worst <= bound


@pytest.mark.parametrize("fault", [b.fault for b in bounds(Settings())])
def test_every_symbol_is_explained_and_every_term_used(fault: str) -> None:
    bound = bound_of(fault, Settings())
    if bound.reroute_traffic_s is None:
        assert bound.condition, "no promise needs a reason"
        assert bound.terms == {}
        return
    for symbol in bound.terms:
        assert symbol in bound.formula
    assert bound.readmit_s is not None


def test_the_defaults_give_the_numbers_of_the_worked_example() -> None:
    pause = bound_of("pause", Settings())
    assert (pause.reroute_s, pause.reroute_traffic_s, pause.readmit_s) == (1.5, 0.89, 1.9)


def test_discovery_counts_only_where_membership_changes() -> None:
    plain, discovered = Settings(), replace(Settings(), discovery_interval=1.0)
    for fault, extra in (("kill", 1.0), ("disconnect", 1.0), ("pause", 0.0), ("refuse", 0.0)):
        before, after = bound_of(fault, plain).readmit_s, bound_of(fault, discovered).readmit_s
        assert before is not None
        assert after == pytest.approx(before + extra)


def test_with_a_ceiling_above_the_time_out_traffic_does_not_help_against_a_delay() -> None:
    bound = bound_of("delay", Settings(passive=PassiveSettings(stall_ceiling=0.5)))
    assert bound.reroute_traffic_s == bound.reroute_s


def test_no_floating_point_dust_in_what_is_printed() -> None:
    """0.1 × 1.1 is 0.11000000000000001 to a computer; a reader wants 0.11."""
    for bound in bounds(Settings()):
        for value in (bound.reroute_s, bound.reroute_traffic_s, bound.readmit_s, *bound.terms.values()):
            assert value is None or value == round(value, 6)
