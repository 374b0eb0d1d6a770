from __future__ import annotations

from chaos.keeper import Patience
from chaos.reaper import expired
from chaos.records import State
from tests.support.chaos_fakes import entry


def test_a_crashed_member_is_revived_after_its_time_and_not_before() -> None:
    patience = Patience(revive_after_s=5)
    assert patience.due(["api-1"], (), now=10.0) == []
    assert patience.due(["api-1"], (), now=14.9) == []
    assert patience.due(["api-1"], (), now=15.0) == ["api-1"]


def test_one_that_came_back_by_itself_starts_afresh() -> None:
    patience = Patience(revive_after_s=5)
    patience.due(["api-1"], (), now=10.0)
    patience.due([], (), now=12.0)
    assert patience.due(["api-1"], (), now=16.0) == []


def test_a_fault_of_ours_is_not_a_crash_until_it_has_ended() -> None:
    patience = Patience(revive_after_s=5)
    assert patience.due(["api-1"], {"api-1"}, now=10.0) == []
    assert patience.due(["api-1"], {"api-1"}, now=100.0) == []
    assert patience.due(["api-1"], (), now=100.5) == []
    assert patience.due(["api-1"], (), now=105.5) == ["api-1"]


def test_the_reaper_heals_what_is_owed_and_over() -> None:
    entries = [
        entry("over", expires_unix=99, state=State.ACTIVE),
        entry("half healed", expires_unix=99, state=State.HEALING),
        entry("running", expires_unix=101, state=State.ACTIVE),
        entry("done", expires_unix=99, state=State.HEALED),
    ]
    assert [each.record.id for each in expired(entries, now_unix=100)] == ["over", "half healed"]
