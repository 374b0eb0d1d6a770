from __future__ import annotations

import asyncio
import json

import pytest

from lb.admin.stream import start
from lb.core.backend import State
from lb.core.events import Added, AttemptFailed, PanicChanged, Removed, Transition
from lb.errors import InvalidError
from lb.telemetry.event_log import Entry, EventLog, as_dict, as_sse


def filled(count: int, capacity: int = 10_000) -> EventLog:
    log = EventLog(capacity)
    for number in range(1, count + 1):
        log.append(Removed(float(number), f"b{number}"))
    return log


def test_events_are_numbered_from_one() -> None:
    assert [entry.seq for entry in filled(3).after(0)] == [1, 2, 3]


def test_a_reader_gets_what_came_after_its_position() -> None:
    log = filled(5)

    assert [entry.seq for entry in log.after(3)] == [4, 5]
    assert log.after(5) == []


def test_the_ring_keeps_the_last_and_their_numbers() -> None:
    log = filled(25, capacity=10)

    assert (log.first_seq, log.last_seq) == (16, 25)
    assert [entry.seq for entry in log.after(0)] == list(range(16, 26))
    assert [entry.seq for entry in log.after(20)] == [21, 22, 23, 24, 25]


async def test_a_waiting_reader_is_woken_by_the_next_event() -> None:
    log = filled(2)
    waiting = [asyncio.create_task(log.grown(2)) for _ in range(2)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)

    log.append(Removed(3.0, "b3"))

    await asyncio.wait_for(asyncio.gather(*waiting), 5)


async def test_a_reader_that_stopped_waiting_leaves_nothing_behind() -> None:
    log = EventLog()
    waiting = asyncio.create_task(log.grown(0))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    log.append(Added(1.0, "a", "h:1"))

    assert log._waiting == set()


def test_an_event_is_told_in_snake_case_with_its_own_fields() -> None:
    failed = AttemptFailed(1.5, "a", "connect_timeout", "GET", retried=True, reason="not sent")

    assert as_dict(failed) == {
        "mono": 1.5,
        "type": "attempt_failed",
        "backend": "a",
        "failure": "connect_timeout",
        "method": "GET",
        "retried": True,
        "reason": "not sent",
    }
    assert as_dict(PanicChanged(2.0, "", active=True))["type"] == "panic_changed"


def test_an_entry_is_one_server_sent_event() -> None:
    text = as_sse(Entry(7, Transition(1.0, "a", State.UP, State.DOWN, "two\nlines"))).decode()

    lines = text.split("\n")
    assert lines[:2] == ["id: 7", "event: transition"]
    assert lines[3:] == ["", ""], "a line break in a field must not end the event"
    data = json.loads(lines[2].removeprefix("data: "))
    assert (data["seq"], data["old"], data["new"], data["reason"]) == (7, "up", "down", "two\nlines")


@pytest.mark.parametrize(
    ("since", "position", "why"),
    [
        (None, 25, "no position: only what comes next"),
        ("20", 20, "still here"),
        ("0", 15, "everything that is still here"),
        ("3", 15, "overtaken by the ring: the oldest that is still here"),
        ("25", 25, "up to date"),
        ("9999", 15, "the number of a former process: everything"),
    ],
)
def test_where_a_reader_begins(since: str | None, position: int, why: str) -> None:
    assert start(since, filled(25, capacity=10)) == position, why


@pytest.mark.parametrize("since", ["-1", "x", "", "1.5"])
def test_a_malformed_position_is_refused(since: str) -> None:
    with pytest.raises(InvalidError, match="is not a sequence number"):
        start(since, EventLog())
