"""The event stream of a service that goes away and comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from lab.services.sse import follow


class Service:
    """Answers each connection with the next of its lives: the events it has, then the end of the connection."""

    def __init__(self, *lives: list[dict[str, Any]]) -> None:
        self.lives = [*lives]

    async def events(self, request: web.Request) -> web.StreamResponse:
        if not self.lives:
            raise web.HTTPServiceUnavailable
        response = web.StreamResponse()
        await response.prepare(request)
        for event in self.lives.pop(0):
            await response.write(f": beat\n\ndata: {json.dumps(event)}\n\n".encode())
        return response


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/events", service.events)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/events"
    finally:
        await runner.cleanup()


async def first(count: int, url: str) -> list[tuple[float, int]]:
    found = []
    async with aiohttp.ClientSession() as session, asyncio.timeout(10.0):
        async for event in follow(session, url):
            found.append((event["mono"], event["seq"]))
            if len(found) == count:
                break
    return found


def event(mono: float, seq: int) -> dict[str, Any]:
    return {"mono": mono, "seq": seq, "type": "probed"}


async def test_after_a_lost_connection_nothing_is_missing_and_nothing_comes_twice() -> None:
    """Two events at the same moment, and the connection was lost between them."""
    whole = [event(1.0, 1), event(2.0, 2), event(2.0, 3), event(3.0, 4)]
    async with serving(Service(whole[:2], whole)) as url:
        assert await first(4, url) == [(1.0, 1), (2.0, 2), (2.0, 3), (3.0, 4)]


async def test_an_event_that_is_reported_after_a_later_one_is_not_lost() -> None:
    async with serving(Service([event(2.0, 1), event(1.9, 2), event(2.1, 3)])) as url:
        assert await first(3, url) == [(2.0, 1), (1.9, 2), (2.1, 3)]


async def test_a_restarted_service_that_counts_from_one_again_is_heard() -> None:
    async with serving(Service([event(1.0, 1), event(2.0, 2)], [event(5.0, 1), event(6.0, 2)])) as url:
        assert await first(4, url) == [(1.0, 1), (2.0, 2), (5.0, 1), (6.0, 2)]
