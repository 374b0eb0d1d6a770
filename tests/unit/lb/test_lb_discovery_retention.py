"""An answer of discovery that takes away most of the backends that pass their checks is not followed at once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.core.events import Event, Held, Released
from lb.discovery import Change, DiscoveryError, Follower, Insert, Remove
from lb.discovery.member import Member
from lb.discovery.retention import Retention, Rules

RULES = Rules(hold=60.0, max_loss=0.5)


def member(name: str, host: str = "") -> Member:
    return Member(name, host or f"10.0.0.{name}", 8000)


def members(names: str) -> list[Member]:
    return [member(name) for name in names]


def settled(known: str, found: str, passing: str, rules: Rules = RULES) -> str:
    """The ids gone by after one answer, in order."""
    result = Retention(rules).settle({one.id: one for one in members(known)}, members(found), set(passing), 0.0)
    return "".join(sorted(one.id for one in result.members))


@pytest.mark.parametrize(
    ("known", "found", "passing", "expected"),
    [
        ("123", "12", "123", "12"),  # one of three leaves: followed
        ("1234", "12", "1234", "12"),  # half of them: followed
        ("123", "1", "123", "123"),  # most of them: held
        ("12", "1", "12", "1"),  # scaled down from two to one
        ("1", "2", "1", "12"),  # the only one is replaced: held until the new one passes
        ("123", "456", "123", "123456"),  # all are replaced
        ("123456", "456", "123456", "456"),  # all new ones pass: the old ones leave
        ("12345", "45", "12345", "12345"),  # two of three new ones pass: three of five would leave
        ("123", "1", "1", "1"),  # those that leave pass no check: nothing to hold
        ("123", "23", "1", "123"),  # the only one that passes stays
        ("123", "4", "", "4"),  # nobody passes
    ],
)
def test_what_is_gone_by_after_one_answer(known: str, found: str, passing: str, expected: str) -> None:
    assert settled(known, found, passing) == expected


def test_the_rule_can_be_widened_but_not_to_all_and_switched_off() -> None:
    assert settled("123", "1", "123", Rules(60.0, 1.0)) == "1"
    assert settled("123", "4", "123", Rules(60.0, 1.0)) == "1234"
    assert settled("123", "4", "123", Rules(0.0, 0.5)) == "4"


def test_the_same_id_at_another_address_waits_while_the_old_one_is_held() -> None:
    retention, old, new = Retention(RULES), member("1"), member("1", "10.9.9.9")
    assert list(retention.settle({"1": old}, [new], {"1"}, 0.0).members) == [old]
    assert list(retention.settle({"1": old}, [new], (), 1.0).members) == [new]


def test_time_runs_for_each_backend_from_when_it_was_first_missing() -> None:
    retention, known = Retention(RULES), {one.id: one for one in members("123")}
    assert list(retention.settle(known, members("3"), set("123"), 10.0).held) == ["1", "2"]
    assert retention.until() == {"1": 70.0, "2": 70.0}
    assert list(retention.settle(known, members("4"), set("123"), 40.0).held) == ["3"]
    late = retention.settle(known, members("4"), set("123"), 70.0)
    assert late.released == dict.fromkeys("12", "discovery has not named it for 60 s")
    assert sorted(one.id for one in late.members) == ["3", "4"]


@given(
    answers=st.lists(st.tuples(st.sets(st.sampled_from("1234")), st.sets(st.sampled_from("1234")), st.floats(0.1, 20))),
    max_loss=st.floats(0.0, 1.0),
)
def test_no_answer_takes_away_the_last_passing_backend_before_its_time(
    answers: list[tuple[set[str], set[str], float]], max_loss: float
) -> None:
    retention, known, now = Retention(Rules(60.0, max_loss)), {one.id: one for one in members("12")}, 0.0
    missing_since: dict[str, float] = {}
    for found, passing, pause in answers:
        now += pause
        passing &= set(known)
        result = retention.settle(known, members("".join(sorted(found))), passing, now)
        missing_since = {name: missing_since.get(name, now) for name in passing - found}
        known = {one.id: one for one in result.members}
        gone = passing - set(known)
        assert not gone or passing & set(known) or all(now - missing_since[name] >= 60.0 for name in gone)
        assert found <= set(known)


class Script:
    """A source that answers what it was told to; the last answer repeats."""

    def __init__(self, interval: float, *answers: Sequence[Member] | DiscoveryError) -> None:
        self.interval = interval
        self._answers = list(answers)

    async def read(self) -> Sequence[Member]:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, DiscoveryError):
            raise answer
        return answer


class World:
    """Follows a source on a clock that only its sleeps move; `passing` may change with time."""

    def __init__(self, source: Script, passing: dict[float, str]) -> None:
        self.now = 0.0
        self.events: list[Event] = []
        self.changes: list[tuple[float, Change]] = []
        self._passing = passing
        self.follower = Follower(
            source,
            lambda change: self.changes.append((self.now, change)),
            lambda _: None,
            self.sleep,
            rules=RULES,
            passing=lambda: set(self._passing[max(at for at in self._passing if at <= self.now)]),
            emit=self.events.append,
            clock=lambda: self.now,
        )

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now > 200.0:
            raise TimeoutError


async def test_a_static_list_that_was_replaced_is_gone_by_once_the_new_ones_pass() -> None:
    world = World(Script(0.0, members("12")), {0.0: "", 1.0: "12", 3.0: "1234"})
    await world.follower.run()
    world.now = 1.0
    await world.follower.follow(Script(0.0, members("34")), RULES)
    await world.follower.run()
    assert [str(change) for _, change in world.changes[2:]] == [
        str(Insert(member("3"))), str(Insert(member("4"))), str(Remove("1")), str(Remove("2")),
    ]  # fmt: skip
    assert world.changes[-1][0] == 3.0
    assert [type(event) for event in world.events] == [Held, Held, Released, Released]


async def test_nobody_is_released_while_the_source_fails() -> None:
    down = DiscoveryError("api: no such name")
    world = World(Script(1.0, members("12"), members("3"), down), {0.0: "12"})
    with pytest.raises(TimeoutError):
        await world.follower.run()
    assert Remove("1") not in [change for _, change in world.changes]
    assert sorted(world.follower.held) == ["1", "2"]


async def test_an_operator_can_force_the_answer() -> None:
    world = World(Script(0.0, members("12")), {0.0: "12"})
    await world.follower.step()
    await world.follower.follow(Script(0.0, members("3")), RULES)
    assert sorted(world.follower.held) == ["1", "2"]
    world.follower.force()
    assert [change for _, change in world.changes[-2:]] == [Remove("1"), Remove("2")]
    assert not world.follower.held
    assert [getattr(event, "reason", "") for event in world.events[-2:]] == ["forced by the operator"] * 2
