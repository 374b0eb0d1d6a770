"""The admin API over HTTP, without any replica behind the balancer."""

from __future__ import annotations

import asyncio
import gzip
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack
from typing import Any

import aiohttp
import pytest

from lb.admin.site import MOST_CONNECTIONS
from lb.admin.stream import MOST_STREAMS
from tests.support.lb_shell.balancer_process import BalancerProcess, running_balancer


@pytest.fixture
async def balancer() -> AsyncIterator[BalancerProcess]:
    # Nothing listens on these: the discard port and its neighbour.
    async with running_balancer(LB_DISCOVERY__BACKENDS="a=127.0.0.1:9,b=127.0.0.1:10") as running:
        yield running


async def test_healthy_but_not_ready_and_the_reason_is_told(balancer: BalancerProcess) -> None:
    assert await balancer.call("GET", "/healthz") == (200, {"status": "ok"})

    answer = await balancer.until("/readyz", lambda answer: answer["reason"] == "no backend is up")

    assert answer["ready"] is False
    assert (await balancer.call("GET", "/readyz"))[0] == 503


async def test_the_clock_is_the_one_that_events_are_timed_by(balancer: BalancerProcess) -> None:
    added = await balancer.event(lambda e: e["type"] == "added")
    clock = await balancer.get("/clock")

    assert 0 <= clock["mono"] - added["mono"] < 60
    # Both processes read the same machine's clocks; 1 s leaves room for a busy host.
    assert clock["mono"] == pytest.approx(time.monotonic(), abs=1)
    assert clock["unix"] == pytest.approx(time.time(), abs=1)


async def test_backends_show_how_their_last_probe_failed(balancer: BalancerProcess) -> None:
    shown = await balancer.until("/backends", lambda answer: all(one["state"] == "down" for one in answer["backends"]))

    first = shown["backends"][0]
    assert first["id"] == first["name"] == "a"
    assert first["address"] == "127.0.0.1:9"
    assert first["last_probe"]["passed"] is False
    assert first["last_probe"]["failure"] == "refused"
    assert shown["panic"] is True


async def test_the_configuration_is_shown_with_units(balancer: BalancerProcess) -> None:
    config = await balancer.get("/config")

    assert config["health"]["interval"] == "500ms"
    assert config["retry"]["budget"] == "20%"
    assert config["discovery"]["backends"][1] == {"id": "b", "address": "127.0.0.1:10", "weight": 1.0}


async def test_events_are_replayed_from_where_the_reader_left_off(balancer: BalancerProcess) -> None:
    first = await balancer.event(lambda e: e["seq"] == 1)
    assert (first["type"], first["backend"]) == ("added", "a")

    headers = {"Last-Event-ID": "1"}
    async with balancer.client.get(f"{balancer.admin}/events", headers=headers) as answer:
        assert answer.content_type == "text/event-stream"
        lines = [await answer.content.readline() for _ in range(3)]

    assert lines[0] == b"id: 2\n"
    assert lines[1] == b"event: added\n"


async def test_a_reader_without_a_position_gets_only_what_comes_next(balancer: BalancerProcess) -> None:
    before = await balancer.event(lambda e: e["type"] == "transition" and e["new"] == "down")

    async with balancer.client.get(f"{balancer.admin}/events") as answer:
        while not (line := await answer.content.readline()).startswith(b"id: "):
            assert line in (b": still here\n", b"\n")

    assert int(line.removeprefix(b"id: ")) > before["seq"]


async def test_a_reader_that_takes_nothing_does_not_hold_up_the_others(balancer: BalancerProcess) -> None:
    host, port = balancer.admin.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as stuck:
        stuck.sendall(b"GET /events?since=0 HTTP/1.1\r\nHost: x\r\n\r\n")

        for _ in range(3):
            assert (await balancer.call("GET", "/healthz"))[0] == 200
        await balancer.event(lambda e: e["type"] == "probed")


async def test_event_streams_are_limited_in_number_and_a_place_is_free_again_when_one_ends(
    balancer: BalancerProcess,
) -> None:
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(reading_events(balancer)) for _ in range(MOST_STREAMS)]
        assert {stream.status for stream in streams} == {200}
        async with reading_events(balancer) as refused:
            assert (refused.status, (await refused.json())["error"]) == (503, "too_many")
        assert (await balancer.call("GET", "/healthz"))[0] == 200
        streams[0].close()
        async with asyncio.timeout(20):  # the balancer writes to it every 5 s
            while True:
                async with reading_events(balancer) as again:
                    if again.status == 200:
                        break
                await asyncio.sleep(0.1)


async def test_connections_to_the_admin_port_are_limited_in_number(balancer: BalancerProcess) -> None:
    host, port = balancer.admin.removeprefix("http://").split(":")
    with ExitStack() as stack:
        for _ in range(MOST_CONNECTIONS - 40):
            last = stack.enter_context(socket.create_connection((host, int(port)), timeout=10))
        # The kernel hands connections out in order: once the last one has an answer, none waits in the backlog.
        last.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert last.recv(12) == b"HTTP/1.1 200"
        # The rest is a burst, of which none is accepted before all are made; it is not longer than the backlog.
        balancer.signal(signal.SIGSTOP)
        burst = [stack.enter_context(socket.create_connection((host, int(port)), timeout=10)) for _ in range(80)]
        balancer.signal(signal.SIGCONT)
        reader, writer = await asyncio.open_connection(host, int(port))
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        for one in burst[41:]:  # the client of this test may hold a connection
            assert one.recv(12) == b"HTTP/1.1 503"
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b'"too_many"' in answer
    await balancer.until("/healthz", lambda answer: answer.get("status") == "ok")


def reading_events(balancer: BalancerProcess) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
    return balancer.client.get(f"{balancer.admin}/events?since=0")


async def test_a_backend_is_added_changed_and_removed(balancer: BalancerProcess) -> None:
    status, added = await balancer.call("POST", "/backends", json={"id": "c", "address": "127.0.0.1:11"})
    assert (status, added["state"], added["weight"]) == (201, "unknown", 1.0)

    status, changed = await balancer.call("PUT", "/backends/c", json={"weight": 2.5, "state": "maint"})
    assert (status, changed["weight"], changed["state"]) == (200, 2.5, "maint")

    status, _ = await balancer.call("DELETE", "/backends/c")
    assert status == 200
    assert [one["id"] for one in (await balancer.get("/backends"))["backends"]] == ["a", "b"]


REFUSALS: list[tuple[str, str, Any, int, str, str]] = [
    ("PUT", "/backends/nobody", {"weight": 1}, 404, "unknown_backend", "no backend 'nobody'; known: a, b"),
    ("PUT", "/backends/a", {"weight": -1}, 422, "invalid", "weight: should be greater than or equal to 0"),
    ("PUT", "/backends/a", {"state": "gone"}, 422, "invalid", "state: should be 'up', 'drain' or 'maint'"),
    ("PUT", "/backends/a", {}, 422, "invalid", "body: expected weight, state or both"),
    ("PUT", "/backends/a", {"wieght": 1}, 422, "invalid", "wieght: Extra inputs are not permitted"),
    ("POST", "/backends", {"id": "a", "address": "127.0.0.1:99"}, 409, "conflict", "id: 'a' is in use"),
    ("POST", "/backends", {"id": "c", "address": "127.0.0.1:9"}, 409, "conflict", "address: 127.0.0.1:9 is"),
    ("POST", "/backends", {"id": "c", "address": "nowhere"}, 422, "invalid", "address: 'nowhere' is not"),
    ("POST", "/backends", {"id": "c,d", "address": "h:1"}, 422, "invalid", "id: 'c,d' is not a backend id"),
    ("DELETE", "/backends/nobody", None, 404, "unknown_backend", "no backend 'nobody'"),
    ("GET", "/nothing", None, 404, "not_found", "GET /nothing: not found"),
    ("PATCH", "/backends", {}, 405, "method_not_allowed", "PATCH /backends"),
    ("GET", "/events?since=x", None, 422, "invalid", "since: 'x' is not a sequence number"),
]  # fmt: skip


async def test_refusals_name_what_is_wrong(balancer: BalancerProcess) -> None:
    for method, path, body, status, code, detail in REFUSALS:
        options = {} if body is None else {"json": body}

        answered, answer = await balancer.call(method, path, **options)

        assert (answered, answer["error"]) == (status, code), (method, path, body)
        assert answer["detail"].startswith(detail)


async def test_a_body_that_a_web_page_could_send_is_refused(balancer: BalancerProcess) -> None:
    headers = {"Content-Type": "text/plain"}

    status, answer = await balancer.call("POST", "/backends", data='{"id":"c","address":"h:1"}', headers=headers)

    assert (status, answer["detail"]) == (422, "body: expected Content-Type: application/json")


async def test_a_page_of_another_site_may_neither_read_nor_change(balancer: BalancerProcess) -> None:
    foreign = (
        {"Host": "evil.example"},
        {"Host": f"127.0.0.1.evil.example:{balancer.port('admin')}"},
        {"Host": "[::1"},
        {"Host": "127.0.0.1:99999"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    )
    calls = (("GET", "/healthz"), ("GET", "/backends"), ("POST", "/reload"), ("PUT", "/policy"), ("GET", "/nothing"))
    for headers in foreign:
        for method, path in calls:
            options = {"json": {"policy": "p2c"}} if method == "PUT" else {}
            status, answer = await balancer.call(method, path, headers=headers, **options)
            assert (status, answer["error"]) == (403, "forbidden"), (headers, method, path)
    assert (await balancer.get("/backends"))["policy"] == "round_robin"

    for host in ("localhost", "lb:8081", "[::1]:8081", "10.0.0.7"):
        assert (await balancer.call("GET", "/healthz", headers={"Host": host}))[0] == 200, host
    own = {"Origin": balancer.admin}
    assert (await balancer.call("POST", "/reload", headers=own))[0] == 200


async def test_more_names_of_the_admin_port_can_be_configured() -> None:
    environ = {"LB_DISCOVERY__BACKENDS": "a=127.0.0.1:9", "LB_ADMIN__HOSTS": "LB.internal, other.internal"}
    async with running_balancer(**environ) as running:
        assert (await running.call("GET", "/healthz", headers={"Host": "lb.Internal:8081"}))[0] == 200
        assert (await running.call("GET", "/healthz", headers={"Host": "third.internal"}))[0] == 403


_LONG = "a" * 64
HOSTILE: list[tuple[str, str, bytes, dict[str, str], int, str]] = [
    ("GET", f"/events?since={'9' * 5000}", b"", {}, 422, "since: '999"),
    ("GET", f"/decisions?last={'9' * 5000}", b"", {}, 422, "last: "),
    ("PUT", "/policy", b"[" * 60_000, {}, 400, "body: nested deeper than 16 levels"),
    ("PUT", "/policy", b'{"policy":' * 5_000, {}, 400, "body: nested deeper"),
    ("PUT", "/policy", b"9" * 5_000, {}, 422, "body: not JSON"),
    ("PUT", "/policy", b"\xff\xfe", {}, 422, "body: not JSON"),
    ("PUT", "/policy", gzip.compress(b"{}"), {"Content-Encoding": "gzip"}, 422, "body: expected no Content-Encoding"),
    ("POST", "/backends", f'{{"id":"c","address":"{_LONG}:1"}}'.encode(), {}, 422, "address: "),
    ("POST", "/backends", b'{"id":"c","address":"a..b:1"}', {}, 422, "address: 'a..b:1' is not an address"),
    ("POST", "/backends", b'{"id":"c","address":"[::::]:1"}', {}, 422, "address: '[::::]:1' is not an address"),
    ("POST", "/backends", b'{"id":"c","address":"h:1","weight":' + b"9" * 400 + b"}", {}, 422, "weight: "),
]


async def test_no_input_is_an_error_of_the_balancer(balancer: BalancerProcess) -> None:
    for method, path, body, headers, status, detail in HOSTILE:
        sent = {"Content-Type": "application/json", **headers}
        answered, answer = await balancer.call(method, path, data=body, headers=sent)
        assert (answered, answer["detail"][: len(detail)]) == (status, detail), (method, path[:40], body[:40])
    assert [one["id"] for one in (await balancer.get("/backends"))["backends"]] == ["a", "b"]


async def test_a_body_that_is_too_long_is_refused_before_it_is_read(balancer: BalancerProcess) -> None:
    for call in (b"PUT /policy", b"POST /reload", b"GET /backends"):
        head = (
            call + b" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 3000000\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", balancer.port("admin"))
        writer.write(head)
        async with asyncio.timeout(15):
            assert b" 413 " in await reader.readline(), call
        writer.transport.abort()
