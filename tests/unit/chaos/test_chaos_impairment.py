from __future__ import annotations

import math
from random import Random
from statistics import mean

import pytest

from chaos.impairment import INITIAL_RTO_S, Impairment, stall


def test_a_delay_holds_answers_and_not_requests() -> None:
    delay = Impairment("delay", duration_s=1, delay_s=0.1)
    assert delay.hold_answer(Random(1)) == pytest.approx(0.1)
    assert delay.hold_request(Random(1)) == 0.0


def test_jitter_is_uniform_around_the_delay_and_never_negative() -> None:
    rng = Random(1)
    delay = Impairment("delay", duration_s=1, delay_s=0.1, jitter_s=0.05)
    drawn = [delay.hold_answer(rng) for _ in range(10_000)]
    assert 0.05 <= min(drawn) < 0.051
    assert 0.149 < max(drawn) <= 0.15
    assert mean(drawn) == pytest.approx(0.1, abs=0.001)  # standard error 0.0003: three of them
    wild = Impairment("delay", duration_s=1, delay_s=0.01, jitter_s=1)
    assert min(wild.hold_answer(rng) for _ in range(100)) == 0.0


def test_a_black_hole_holds_both_directions_for_ever() -> None:
    hole = Impairment("blackhole", duration_s=1)
    assert hole.hold_answer(Random(1)) == hole.hold_request(Random(1)) == math.inf


def test_loss_stalls_for_one_retransmission_time_out_and_doubles() -> None:
    rng = Random(1)
    drawn = [stall(0.5, rng) for _ in range(10_000)]
    assert {round(each / INITIAL_RTO_S) for each in drawn} <= {0, 1, 3, 7, 15, 31, 63}
    assert drawn.count(0.0) / len(drawn) == pytest.approx(0.5, abs=0.02)  # standard error 0.005: four of them
    assert stall(0.0, rng) == 0.0
    assert stall(1.0, rng) == pytest.approx(63 * INITIAL_RTO_S)


def test_the_wire_form_comes_back_the_same() -> None:
    delay = Impairment("delay", duration_s=5, delay_s=0.1, jitter_s=0.01)
    assert Impairment.from_json(delay.to_json()) == delay


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"kind": "explode", "duration_s": 1},
        {"kind": "delay"},
        {"kind": "delay", "duration_s": 0},
        {"kind": "delay", "duration_s": 1, "delay_s": -1},
        {"kind": "delay", "duration_s": "1s"},
        {"kind": "delay", "duration_s": True},
        {"kind": "loss", "duration_s": 1, "loss": 30},
        {"kind": "delay", "duration_s": 1, "surprise": 1},
    ],
)
def test_anything_else_on_the_wire_is_refused(body: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        Impairment.from_json(body)
