"""Uploads, streams, WebSocket messages and sessions, against a real HTTP server on loopback."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import WSMsgType, web

from lab.evidence.history import History, Outcome
from lab.scenario.plan import PlannedRequest
from tests.integration.test_lab_traffic_process import Traffic
from tests.support.lab_plans import traffic_only

PUT = PlannedRequest("PUT", "/echo", 1.0, 4096)
WS = PlannedRequest("WS", "/ws", 1.0, 300)
STREAM = PlannedRequest("GET", "/stream?chunks=3&bytes=100", 1.0)
GET = PlannedRequest("GET", "/work", 1.0)
NAMED = {"X-Backend": "b-1", "X-Tried": "b-0, b-1", "X-Instance": "one"}


class Server:
    """Echoes; its vices are switches."""

    def __init__(self) -> None:
        self.url = ""
        self.changes_bodies = False
        self.closes_sockets = False
        self.refuses_upgrades = False
        self.sockets = 0
        self.cookies: list[str] = []
        self._pins = itertools.count()

    async def echo(self, request: web.Request) -> web.Response:
        body = await request.read()
        return web.Response(body=body[::-1] if self.changes_bodies else body, headers=NAMED)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=NAMED)
        await response.prepare(request)
        for _ in range(3):
            await response.write(bytes(100))
        return response

    async def socket(self, request: web.Request) -> web.StreamResponse:
        if self.refuses_upgrades:
            return web.Response(status=503, headers={"X-Lb-Error": "no_backend"})
        self.sockets += 1
        socket = web.WebSocketResponse()
        socket.headers.update(NAMED)
        await socket.prepare(request)
        async for message in socket:
            if self.closes_sockets:
                break
            if message.type is WSMsgType.BINARY:
                await socket.ping()
                await socket.send_bytes(message.data[::-1] if self.changes_bodies else message.data)
        return socket

    async def work(self, request: web.Request) -> web.Response:
        self.cookies.append(request.headers.get("Cookie", ""))
        response = web.Response(text="ok", headers=NAMED)
        if "Cookie" not in request.headers:
            response.set_cookie("lb", f"pin-{next(self._pins)}", path="/", httponly=True)
        return response


@asynccontextmanager
async def served() -> AsyncIterator[Server]:
    server, app = Server(), web.Application()
    app.add_routes(
        [
            web.put("/echo", server.echo),
            web.get("/stream", server.stream),
            web.get("/ws", server.socket),
            web.get("/work", server.work),
        ]
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


async def sent(server: Server, kind: PlannedRequest, folder: Path, seconds: float = 0.5, **load: object) -> History:
    traffic = await Traffic.start(traffic_only(seconds, rate=100.0, mix=(kind,), **load), server.url, folder)
    traffic.go()
    return await traffic.ended()


@pytest.mark.parametrize("kind", [PUT, STREAM, WS], ids=lambda kind: kind.method + kind.path[:4])
async def test_each_kind_is_one_good_request_with_its_backend_and_size(kind: PlannedRequest, tmp_path: Path) -> None:
    async with served() as server:
        history = await sent(server, kind, tmp_path)
    assert len(history.requests) == 50
    assert history.defects == ()
    for request in history.requests:
        assert (request.outcome, request.error, request.method) == (Outcome.OK, None, kind.method)
        assert (request.backend, request.tried, request.instance) == ("b-1", ("b-0", "b-1"), "one")
        assert request.size == (kind.body_bytes or 300)


@pytest.mark.parametrize("kind", [PUT, WS], ids=["PUT", "WS"])
async def test_an_echo_that_is_another_one_is_a_failure(kind: PlannedRequest, tmp_path: Path) -> None:
    async with served() as server:
        server.changes_bodies = True
        history = await sent(server, kind, tmp_path)
    assert {(each.outcome, each.error) for each in history.requests} == {(Outcome.FAIL, "wrong_body")}


async def test_messages_after_the_first_on_a_socket_are_pinned(tmp_path: Path) -> None:
    async with served() as server:
        history = await sent(server, WS, tmp_path)
        assert sum(not each.pinned for each in history.requests) == server.sockets < 25


async def test_fresh_connections_give_every_message_a_socket_of_its_own(tmp_path: Path) -> None:
    async with served() as server:
        history = await sent(server, WS, tmp_path, keep_alive=False)
        assert server.sockets == len(history.requests) == 50
    assert not any(each.pinned for each in history.requests)


async def test_a_closed_socket_and_a_refused_one_have_their_words(tmp_path: Path) -> None:
    async with served() as server:
        server.closes_sockets = True
        closed = await sent(server, WS, tmp_path)
        server.refuses_upgrades = True
        refused = await sent(server, WS, tmp_path)
    assert {(each.outcome, each.error) for each in closed.requests} == {(Outcome.UNKNOWN, "closed")}
    assert {(each.outcome, each.error, each.status) for each in refused.requests} == {(Outcome.FAIL, "no_backend", 503)}


async def test_a_session_sends_back_the_cookie_that_it_got_and_no_other(tmp_path: Path) -> None:
    async with served() as server:
        history = await sent(server, GET, tmp_path, seconds=1.0, sessions=3)
        await asyncio.sleep(0)
    assert {each.session for each in history.requests} == {0, 1, 2}
    known = [cookie for cookie in server.cookies if cookie]
    # Before its first answer a session may have sent a second request; each got a pin, and the last one stays.
    assert len(known) > 80
    assert len({*known[30:]}) == 3
