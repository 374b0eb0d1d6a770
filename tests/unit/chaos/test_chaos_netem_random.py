"""Chance as netem draws it: asked means, spreads and bursts come out, within argued tolerances."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from statistics import mean, stdev
from typing import Any

import pytest

from chaos.links.impairment import Impairment
from chaos.links.netem_random import Bernoulli, CorrelatedNumbers, DelayDraw, GilbertElliott, entering

N = 20_000


def drawn(**fields: Any) -> list[float]:
    wait = DelayDraw(Impairment("delay", 1, delay_s=0.1, jitter_s=0.02, **fields), Random(1))
    return [wait.next() for _ in range(N)]


@pytest.mark.parametrize(
    ("distribution", "spread"),
    [("uniform", 0.02 / 3**0.5), ("normal", 0.02), ("pareto", 0.0183)],  # the table ends at four jitters
)
def test_a_delay_has_the_asked_mean_and_spread(distribution: str, spread: float) -> None:
    delays = drawn(distribution=distribution)
    assert mean(delays) == pytest.approx(0.1, rel=0.01)  # standard error 0.00014: seven of them
    assert stdev(delays) == pytest.approx(spread, rel=0.1)
    assert min(delays) >= 0


def test_a_delay_is_never_negative_and_without_jitter_always_the_same() -> None:
    wild = DelayDraw(Impairment("delay", 1, delay_s=0.001, jitter_s=1), Random(1))
    assert min(wild.next() for _ in range(100)) == 0
    assert DelayDraw(Impairment("delay", 1, delay_s=0.3), Random(1)).next() == 0.3


def test_correlated_luck_resembles_the_luck_before() -> None:
    def steps(correlation: float) -> float:
        luck = CorrelatedNumbers(correlation, Random(1))
        numbers = [luck.next() for _ in range(N)]
        return mean(abs(a - b) for a, b in pairwise(numbers))

    assert steps(0.0) == pytest.approx(1 / 3, abs=0.01)  # two independent uniform numbers
    assert steps(0.8) < 0.1


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9, 1.0])
def test_a_coin_falls_as_often_as_asked(share: float) -> None:
    coin = Bernoulli(share, 0.0, Random(1))
    assert mean(coin.hits() for _ in range(N)) == pytest.approx(share, abs=0.01)  # standard error 0.0035 at most


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_bursts_lose_the_asked_share_in_runs_of_the_asked_length(share: float) -> None:
    burst = GilbertElliott(share, 0.2, Random(1))
    losses = [burst.hits() for _ in range(5 * N)]
    runs = sum(b and not a for a, b in zip([False, *losses], losses, strict=False))
    assert mean(losses) == pytest.approx(share, rel=0.1)
    assert sum(losses) / runs == pytest.approx(1 / 0.2, rel=0.1)


def test_a_certain_loss_never_recovers() -> None:
    burst = GilbertElliott(1.0, 0.25, Random(1))
    assert all(burst.hits() for _ in range(100))
    assert entering(1.0, 0.25) == 1.0
