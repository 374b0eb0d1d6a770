from __future__ import annotations

from dataclasses import replace

from lb.core.exchange import Exchange, Failure
from lb.proxy.request_record import Record, refused
from lb.telemetry.decision_log import SMOOTH, DecisionLog
from tests.support.balancing import World


def record(exchange: Exchange, request_id: bytes = b"r", backend: str = "", error: str = "") -> Record:
    return Record(
        exchange.method, b"/work", 200, backend, len(exchange.tried), exchange.started, 0.02, 0.01, 0, 2, error,
        request_id, b"127.0.0.1", exchange.steps,
    )  # fmt: skip


def served(world: World, log: DecisionLog, request_id: bytes) -> str:
    attempt = world.start()
    world.answer(attempt)
    log.keep(record(attempt.exchange, request_id, attempt.backend.id))
    return attempt.backend.id


def test_the_newest_come_first_and_the_oldest_are_forgotten() -> None:
    world, log = World(), DecisionLog(3)
    for name in (b"a", b"b", b"c", b"d"):
        served(world, log, name)
    assert [entry["id"] for entry in log.latest(10)] == ["d", "c", "b"]
    assert [entry["id"] for entry in log.latest(2)] == ["d", "c"]


def test_what_did_not_go_smoothly_outlives_what_did() -> None:
    world, log = World(), DecisionLog(1000)
    served(world, log, b"before")
    failed = world.start()
    world.now += 0.25
    world.balancer.failed(failed, Failure.RESET, world.now)
    world.answer(world.start(failed.exchange))
    log.keep(replace(record(failed.exchange, b"retried"), total_s=0.27))
    for number in range(SMOOTH + 5):
        world.now += 0.001
        served(world, log, b"%d" % number)
    kept = [entry["id"] for entry in log.latest(10_000)]
    assert kept == [*map(str, range(SMOOTH + 4, 4, -1)), "retried"]


def test_the_two_kinds_are_told_in_the_order_in_which_they_ended() -> None:
    world, log = World(), DecisionLog(10)
    for name, error in ((b"a", ""), (b"b", "truncated"), (b"c", ""), (b"d", "client_gone")):
        attempt = world.start()
        world.answer(attempt)
        log.keep(record(attempt.exchange, name, error=error))
        world.now += 1.0
    assert [entry["id"] for entry in log.latest(10)] == ["d", "c", "b", "a"]


def test_they_are_found_by_backend_and_by_request_id() -> None:
    world, log = World(), DecisionLog(100)
    went = {name: served(world, log, name.encode()) for name in ("a", "b", "c", "d")}
    assert [entry["id"] for entry in log.latest(10, request_id="b")] == ["b"]
    wanted = {name for name, backend in went.items() if backend == went["a"]}
    assert {entry["id"] for entry in log.latest(10, backend=went["a"])} == wanted
    assert log.latest(10, backend="api-9") == []


def test_a_pick_shows_its_candidates_and_why() -> None:
    world, log = World(), DecisionLog(1)
    world.backend("api-2").suspected = True
    world.balancer._registry._rotation.changed(world.now)
    backend = served(world, log, b"a")
    [entry] = log.latest(1)
    [step] = entry["steps"]
    assert step["why"] == "round_robin of 2 usable, 0 in flight there"
    assert step["backend"] == backend == entry["backend"]
    assert step["candidates"][1] == {
        "id": "api-2", "state": "up", "suspected": True, "usable": False, "in_flight": None,
    }  # fmt: skip
    assert step["known"] == 3


def test_a_failure_shows_how_long_it_took_and_which_rule_followed() -> None:
    world, log = World(), DecisionLog(1)
    first = world.start()
    world.now += 0.25
    world.balancer.failed(first, Failure.RESET, world.now)
    world.start(first.exchange)
    log.keep(record(first.exchange))
    picked, failed, again = log.latest(1)[0]["steps"]
    assert (picked["at_ms"], failed["at_ms"], failed["took_ms"]) == (0.0, 250.0, 250.0)
    assert (failed["failure"], failed["retried"], failed["reason"]) == ("reset", True, "idempotent")
    assert again["why"] == "round_robin of 3 usable, without those tried, 0 in flight there"


def test_a_request_that_was_refused_for_its_form_decided_nothing() -> None:
    log = DecisionLog(10)
    log.keep(refused(400, "syntax", b"127.0.0.1", 1.0))
    assert log.latest(10) == []
