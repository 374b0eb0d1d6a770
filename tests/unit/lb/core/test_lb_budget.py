from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.core.budget import RetryBudget

WINDOW = 10.0


def spend_all(budget: RetryBudget, now: float) -> int:
    return next(n for n in range(10_000) if not budget.withdraw(now))


@given(
    ratio=st.sampled_from([0.0, 0.1, 0.2, 1.0]),
    minimum=st.sampled_from([0.0, 0.5, 3.0]),
    script=st.lists(st.tuples(st.floats(0, 3), st.integers(0, 60), st.integers(0, 60)), max_size=40),
)
def test_no_window_ever_holds_more_retries_than_its_requests_allow(
    ratio: float, minimum: float, script: list[tuple[float, int, int]]
) -> None:
    budget, now = RetryBudget(ratio, minimum, WINDOW), 100.0
    requests: list[float] = []
    retries: list[float] = []
    for pause, arriving, wanted in script:
        now += pause
        for _ in range(arriving):
            budget.deposit(now)
            requests.append(now)
        for _ in range(wanted):
            if budget.withdraw(now):
                retries.append(now)
                spent = sum(now - WINDOW < at for at in retries)
                earned = ratio * sum(now - WINDOW < at for at in requests) + minimum * WINDOW
                assert spent <= earned + 1e-9


def test_a_quiet_balancer_may_still_retry() -> None:
    assert spend_all(RetryBudget(0.2, 3.0, WINDOW), 100.0) == 30  # 3/s over 10 s


def test_a_burst_may_spend_what_a_busy_window_has_saved() -> None:
    """200 requests/s for a window: 400 retries at once, far more than the 15 that one stalled backend asks for."""
    budget = RetryBudget(0.2, 3.0, WINDOW)
    for n in range(2000):
        budget.deposit(100.0 + n / 200)
    # The oldest tenth of the window may have expired already: buckets err on the safe side.
    assert 0.9 * 400 + 30 <= spend_all(budget, 110.0) <= 400 + 30


def test_what_was_spent_comes_back_after_the_window() -> None:
    budget = RetryBudget(0.2, 3.0, WINDOW)
    spend_all(budget, 100.0)
    assert not budget.withdraw(109.9)
    assert spend_all(budget, 111.0) == 30


@pytest.mark.parametrize("gap", [10.0, 100.0, 1e6])
def test_requests_of_long_ago_earn_nothing(gap: float) -> None:
    budget = RetryBudget(0.2, 0.0, WINDOW)
    for _ in range(1000):
        budget.deposit(100.0)
    assert not budget.withdraw(100.0 + gap)
