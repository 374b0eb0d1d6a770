"""When a worker that says nothing is taken for hung."""

from __future__ import annotations

from lb.workers.liveness import CHECK_S, STARTING_S, Pulse


def listened(pulse: Pulse, seconds: float) -> None:
    for _ in range(round(seconds / CHECK_S)):
        pulse.waited(CHECK_S)


def test_silence_is_borne_for_the_time_out_and_no_longer() -> None:
    pulse = Pulse()
    listened(pulse, 4.75)
    assert not pulse.stopped(5.0, started=True)
    listened(pulse, CHECK_S)
    assert pulse.stopped(5.0, started=True)


def test_whatever_it_says_counts_as_life() -> None:
    pulse = Pulse()
    for _ in range(10):
        listened(pulse, 4.0)
        pulse.beat()
    assert not pulse.stopped(5.0, started=True)


def test_time_in_which_the_parent_was_stopped_itself_is_held_against_nobody() -> None:
    pulse = Pulse()
    pulse.waited(3600.0)
    assert not pulse.stopped(2.0, started=True)


def test_a_start_may_take_longer_but_not_for_ever() -> None:
    pulse = Pulse()
    listened(pulse, STARTING_S - CHECK_S)
    assert not pulse.stopped(5.0, started=False)
    listened(pulse, CHECK_S)
    assert pulse.stopped(5.0, started=False)


def test_no_time_out_is_for_ever() -> None:
    pulse = Pulse()
    listened(pulse, 3600.0)
    assert not pulse.stopped(0.0, started=True)
