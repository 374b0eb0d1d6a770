from __future__ import annotations

from chaos.engine.events import REPLAYABLE, EventLog
from tests.support.chaos_fakes import record


async def test_followers_get_the_past_then_the_present_then_the_end() -> None:
    log = EventLog(clock=lambda: 7.0)
    log.emit("fault_injecting", record("f1"))
    log.emit("revived", target="api-2")
    seen = []
    async for event in log.follow(1):
        assert event is not None
        seen.append((event["seq"], event["type"], event["target"], event["mono"]))
        if len(seen) == 1:
            log.emit("fault_healed", record("f1"))
            log.close()
    assert seen == [(2, "revived", "api-2", 7.0), (3, "fault_healed", "api-1", 7.0)]


def test_an_event_holds_the_record_as_it_was_then() -> None:
    log = EventLog()
    fault = record("f1")
    log.emit("fault_injecting", fault)
    fault.bit = True
    assert log.since(0)[0]["fault"]["bit"] is None


async def test_a_quiet_stream_says_so() -> None:
    async for event in EventLog().follow(0, idle_s=0):
        assert event is None
        break


def test_memory_is_bounded() -> None:
    log = EventLog()
    for _ in range(REPLAYABLE + 5):
        log.emit("revived", target="api-1")
    assert [log.since(0)[0]["seq"], len(log.since(0))] == [6, REPLAYABLE]
