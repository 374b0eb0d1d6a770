from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from lb.core.backend import State
from lb.core.health import TABLE, Cause, FlapDamper, Streak, cause_of, hold_down, in_doubt, move, next_probe_in
from lb.core.settings import HealthSettings

SETTINGS = HealthSettings(interval=0.5, fast_interval=0.1, fall=2, rise=2, jitter=0.1)


def streak_of(results: str) -> Streak:
    """`p` passed, `f` failed, oldest first."""
    streak = Streak()
    for result in results:
        streak = streak.observe(result == "p")
    return streak


def test_every_state_has_a_row_and_every_cause_a_use() -> None:
    assert set(TABLE) == set(State)
    assert {cause for row in TABLE.values() for cause in row} == set(Cause)


def test_a_cause_that_is_not_in_the_row_changes_nothing() -> None:
    assert move(State.MAINT, Cause.PROBES_PASS) is State.MAINT
    assert move(State.UP, Cause.RESUME) is State.UP
    assert move(State.DOWN, Cause.TRAFFIC_FAILS) is State.DOWN


def test_only_the_operator_moves_a_backend_out_of_maintenance() -> None:
    for state in (State.DRAIN, State.MAINT):
        assert set(TABLE[state]) <= {Cause.DRAIN, Cause.MAINT, Cause.RESUME, Cause.REMOVE}


def test_in_a_row_means_in_a_row() -> None:
    # Caddy 2.11 does not reset the failures on a pass: "fpf" would be two there.
    assert cause_of(State.UP, streak_of("fpf"), SETTINGS) is not Cause.PROBES_FAIL
    assert cause_of(State.UP, streak_of("fpff"), SETTINGS) is Cause.PROBES_FAIL
    assert cause_of(State.DOWN, streak_of("pfp"), SETTINGS) is None
    assert cause_of(State.DOWN, streak_of("pfpp"), SETTINGS) is Cause.PROBES_PASS


def test_a_new_backend_needs_one_pass_and_fall_failures() -> None:
    assert cause_of(State.UNKNOWN, streak_of("p"), SETTINGS) is Cause.PROBES_PASS
    assert cause_of(State.UNKNOWN, streak_of("f"), SETTINGS) is None
    assert cause_of(State.UNKNOWN, streak_of("ff"), SETTINGS) is Cause.PROBES_FAIL


@pytest.mark.parametrize(
    ("state", "results", "fast"),
    [
        (State.UP, "p", False),
        (State.UP, "pf", True),
        (State.DOWN, "ff", False),
        (State.DOWN, "ffp", True),
        (State.UNKNOWN, "", False),
        (State.UNKNOWN, "f", True),
        (State.EJECTED, "f", True),
        (State.MAINT, "f", False),
    ],
)
def test_probes_come_fast_while_the_verdict_is_in_doubt(state: State, results: str, fast: bool) -> None:
    streak = streak_of(results)

    assert in_doubt(state, streak, SETTINGS) is fast
    base = SETTINGS.fast_interval if fast else SETTINGS.interval
    waits = [next_probe_in(state, 60.0, streak, SETTINGS, Random(seed)) for seed in range(200)]
    assert base <= min(waits)
    assert max(waits) <= base * 1.1
    assert max(waits) > base * 1.09, "200 draws and none in the last tenth of the jitter: it is not used"


@pytest.mark.parametrize(
    ("down_s", "wait_s"), [(0.0, 0.1), (1.9, 0.1), (3.0, 0.15), (8.0, 0.4), (10.0, 0.5), (3600.0, 0.5)]
)
def test_a_backend_that_is_down_is_asked_often_at_first_and_at_the_interval_in_the_end(
    down_s: float, wait_s: float
) -> None:
    steady = replace(SETTINGS, jitter=0.0)
    assert next_probe_in(State.DOWN, down_s, streak_of("ff"), steady, Random(1)) == pytest.approx(wait_s)


def test_an_interval_below_the_fast_one_is_kept_while_down() -> None:
    brisk = replace(SETTINGS, interval=0.05, jitter=0.0)
    assert next_probe_in(State.DOWN, 0.0, streak_of("ff"), brisk, Random(1)) == 0.05


def test_a_backend_held_down_is_probed_at_the_normal_pace() -> None:
    assert not in_doubt(State.DOWN, streak_of("pppp"), SETTINGS)


def test_hold_down_is_free_at_first_then_doubles_up_to_its_cap() -> None:
    assert [hold_down(falls, SETTINGS) for falls in (1, 4, 5, 6, 7, 8, 9, 10, 50)] == [0, 0, 1, 2, 4, 8, 16, 30, 30]


def test_a_flapping_backend_is_held_down_and_good_behaviour_forgets() -> None:
    damper = FlapDamper()
    for fall in range(5):
        damper.went_down(float(fall), SETTINGS)
    assert damper.held_until == 4.0 + 1.0

    damper.left_up(20.0, SETTINGS)  # forgets two falls
    damper.went_down(30.0, SETTINGS)
    assert damper.held_until == 30.0


def test_after_the_worst_flapping_the_damper_still_forgives() -> None:
    damper = FlapDamper()
    for fall in range(1000):
        damper.went_down(float(fall), SETTINGS)
    damper.left_up(60.0, SETTINGS)
    damper.went_down(2000.0, SETTINGS)
    assert damper.held_until == 2000.0
