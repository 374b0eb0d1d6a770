"""Each formula is compared with published values or with another formula."""

from __future__ import annotations

from math import exp, log

import pytest

from lb.simulate import theory


def mean_of(tail: theory.Tail, until: float, step: float) -> float:
    """E[T] = ∫ P(T > t) dt, by the midpoint rule."""
    return sum(tail((n + 0.5) * step) * step for n in range(round(until / step)))


def test_erlang_c_with_one_server_is_its_utilisation() -> None:
    assert theory.erlang_c(1, 0.7) == pytest.approx(0.7)


def test_erlang_c_with_two_servers_has_a_closed_form() -> None:
    """C(2, a) = a² / (2 + a)."""
    assert theory.erlang_c(2, 1.0) == pytest.approx(1.0 / 3.0)
    assert theory.erlang_c(2, 1.5) == pytest.approx(2.25 / 3.5)


def test_erlang_c_of_a_large_fleet_does_not_overflow() -> None:
    assert 0.0 < theory.erlang_c(2000, 1900.0) < 0.05


def test_one_server_waits_as_m_m_1_does() -> None:
    tail = theory.mmc_tail(1, 0.010, 70.0)
    for t in (0.001, 0.03, 0.2):
        assert tail(t) == pytest.approx(exp(-30.0 * t))
    assert theory.mmc_mean(1, 0.010, 70.0) == pytest.approx(1.0 / 30.0)
    assert theory.quantile(tail, 0.99) == pytest.approx(log(100) / 30.0)


@pytest.mark.parametrize(("servers", "rate"), [(1, 70.0), (2, 100.0), (8, 600.0)])
def test_the_tail_and_the_mean_of_m_m_c_belong_together(servers: int, rate: float) -> None:
    """At (2, 100) both exponentials have the same rate, which is a case of its own."""
    tail = theory.mmc_tail(servers, 0.010, rate)
    assert mean_of(tail, 2.0, 1e-4) == pytest.approx(theory.mmc_mean(servers, 0.010, rate), rel=1e-4)


def test_taking_turns_alone_is_chance() -> None:
    assert theory.round_robin_rate(1, 0.010, 70.0) == pytest.approx(30.0)


def test_taking_turns_among_very_many_is_a_metronome() -> None:
    """D/M/1 at ρ = 0.5: σ = e^(−2(1 − σ)) has the root 0.20319."""
    assert theory.round_robin_rate(100_000, 0.010, 100_000 * 50.0) == pytest.approx((1 - 0.20319) / 0.010, rel=1e-3)


def test_two_choices_match_the_values_of_the_paper() -> None:
    """Mitzenmacher's table for two choices gives 1.2657 at ρ = 0.5 and 2.6141 at 0.9, in units of the work."""
    assert theory.two_choices_mean(0.5, 1.0) == pytest.approx(1.2657, abs=1e-4)
    assert theory.two_choices_mean(0.9, 1.0) == pytest.approx(2.6141, abs=1e-4)


def test_the_tail_and_the_mean_of_two_choices_belong_together() -> None:
    tail = theory.two_choices_tail(0.7, 0.010)
    assert tail(0.0) == pytest.approx(1.0)
    assert mean_of(tail, 1.0, 1e-4) == pytest.approx(theory.two_choices_mean(0.7, 0.010), rel=1e-4)


def test_pollaczek_and_khinchine_agree_with_m_m_1_and_halve_the_wait_of_constant_work() -> None:
    assert theory.pollaczek_khinchine(0.010, 1.0, 70.0) == pytest.approx(theory.mmc_mean(1, 0.010, 70.0))
    wait = theory.mmc_mean(1, 0.010, 70.0) - 0.010
    assert theory.pollaczek_khinchine(0.010, 0.0, 70.0) == pytest.approx(0.010 + wait / 2)


def test_the_quantile_of_a_mixture_lies_between_its_parts() -> None:
    fast, slow = theory.mmc_tail(1, 0.001, 100.0), theory.mmc_tail(1, 0.010, 50.0)
    both = theory.quantile(theory.mixture([(0.5, fast), (0.5, slow)]), 0.5)
    assert theory.quantile(fast, 0.5) < both < theory.quantile(slow, 0.5)
