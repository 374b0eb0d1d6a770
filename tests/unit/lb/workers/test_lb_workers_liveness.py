"""When a worker that says nothing is taken for hung."""

from __future__ import annotations

from lb.workers.liveness import CHECK_S, STARTING_S, Liveness


def listened(liveness: Liveness, seconds: float) -> None:
    for _ in range(round(seconds / CHECK_S)):
        liveness.add_silence(CHECK_S)


def test_silence_is_borne_for_the_time_out_and_no_longer() -> None:
    liveness = Liveness()
    listened(liveness, 4.75)
    assert not liveness.is_hung(5.0, started=True)
    listened(liveness, CHECK_S)
    assert liveness.is_hung(5.0, started=True)


def test_whatever_it_says_counts_as_life() -> None:
    liveness = Liveness()
    for _ in range(10):
        listened(liveness, 4.0)
        liveness.heard()
    assert not liveness.is_hung(5.0, started=True)


def test_time_in_which_the_parent_was_stopped_itself_is_held_against_nobody() -> None:
    liveness = Liveness()
    liveness.add_silence(3600.0)
    assert not liveness.is_hung(2.0, started=True)


def test_a_start_may_take_longer_but_not_for_ever() -> None:
    liveness = Liveness()
    listened(liveness, STARTING_S - CHECK_S)
    assert not liveness.is_hung(5.0, started=False)
    listened(liveness, CHECK_S)
    assert liveness.is_hung(5.0, started=False)


def test_no_time_out_is_for_ever() -> None:
    liveness = Liveness()
    listened(liveness, 3600.0)
    assert not liveness.is_hung(0.0, started=True)
