from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from chaos.links.delay_queue import DelayQueue


def test_items_leave_when_they_are_due() -> None:
    hold: DelayQueue[str] = DelayQueue()
    hold.push("a", due=1.0)
    hold.push("b", due=2.0)
    assert list(hold.release(0.9)) == []
    assert hold.next_due == 1.0
    assert list(hold.release(1.0)) == ["a"]
    assert list(hold.flush()) == ["b"]
    assert (len(hold), hold.next_due) == (0, None)


def test_what_is_held_for_ever_never_becomes_due_but_can_be_flushed() -> None:
    hold: DelayQueue[str] = DelayQueue()
    hold.push("a", due=math.inf)
    hold.push("b", due=1.0)
    assert hold.next_due is None
    assert list(hold.release(1e9)) == []
    assert list(hold.flush()) == ["a", "b"]


@given(st.lists(st.floats(0, 10)), st.floats(0, 10))
def test_whatever_the_jitter_order_is_kept_and_nothing_leaves_early(dues: list[float], now: float) -> None:
    hold: DelayQueue[int] = DelayQueue()
    for number, due in enumerate(dues):
        hold.push(number, due)
    released = list(hold.release(now))
    assert released == list(range(len(released)))
    assert all(dues[number] <= now for number in released)
    assert [*released, *hold.flush()] == list(range(len(dues)))
