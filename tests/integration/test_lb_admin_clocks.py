"""Connections to the admin port that lead nowhere end, however steadily their bytes come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from lb.admin import json_body, site
from lb.admin.app import errors_as_json
from lb.admin.site import AdminSite, runner_of
from lb.config.units import Address
from lb.process.listening import address_of, bind

PATIENCE_S = 0.4
HEAD = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """An admin port whose only call reads a body, and whose clocks are shorter."""

    async def call(request: web.Request) -> web.Response:
        return web.json_response(await json_body.body_of(request))

    monkeypatch.setattr(site, "IDLE_S", PATIENCE_S)
    monkeypatch.setattr(json_body, "BODY_S", PATIENCE_S)
    app = web.Application(middlewares=[errors_as_json])
    app.add_routes([web.put("/", call)])
    runner = runner_of(app)
    await runner.setup()
    sockets = bind(Address("127.0.0.1", 0))
    for sock in sockets:
        await AdminSite(runner, sock).start()
    yield address_of(sockets).port
    await runner.cleanup()


async def answer_to(port: int, begun: bytes, more: bytes) -> tuple[bytes, float]:
    """The first piece of what comes back for `begun` and, every 50 ms, `more`, and after how many seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    started = time.monotonic()

    async def send() -> None:
        writer.write(begun)
        while more:
            await asyncio.sleep(0.05)
            writer.write(more)

    sending = asyncio.create_task(send())
    async with asyncio.timeout(10):
        answer = await reader.read(4096)
    took = time.monotonic() - started
    sending.cancel()
    writer.transport.abort()
    return answer, took


@pytest.mark.parametrize(
    ("begun", "more"),
    [(b"", b""), (b"", b"\r\n"), (HEAD, b"A: b\r\n"), (HEAD + b"A: ", b"b")],
    ids=["silent", "empty lines", "field by field", "byte by byte"],
)
async def test_a_head_that_never_ends_is_cut(port: int, begun: bytes, more: bytes) -> None:
    answer, took = await answer_to(port, begun, more)
    assert answer == b""
    assert took >= PATIENCE_S - 0.05


@pytest.mark.parametrize("more", [b"", b"1"], ids=["silent", "byte by byte"])
async def test_a_body_that_never_ends_is_refused(port: int, more: bytes) -> None:
    answer, took = await answer_to(port, HEAD + b"Content-Length: 60000\r\n\r\n1", more)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"late" in answer
    assert took >= PATIENCE_S - 0.05


async def test_whoever_is_in_time_is_answered(port: int) -> None:
    answer, took = await answer_to(port, HEAD + b"Content-Length: 2\r\n\r\n{}", b"")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert took < PATIENCE_S
