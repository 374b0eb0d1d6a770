"""Backends that answer who they are, and a spec of free ports around them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from lab.balancers.requirements import Address, Backend, ProxySpec
from tests.support.free_ports import free_port

HOST = "127.0.0.1"


class Stub:
    """A tiny server that answers every path with its name, or cuts off every client that asks for work."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cuts = False
        self.worked: list[str] = []
        """Methods of the requests for `/work`, in order."""
        app = web.Application()
        app.router.add_route("*", "/work", self._work)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    async def start(self) -> Backend:
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, 0).start()
        return Backend(self.name, Address(HOST, self._runner.addresses[0][1]))

    async def stop(self) -> None:
        """Connections are reset and new ones refused. Stopping twice is fine."""
        await self._runner.cleanup()

    async def _answer(self, _request: web.Request) -> web.Response:
        return web.Response(text=self.name)

    async def _work(self, request: web.Request) -> web.Response:
        self.worked.append(request.method)
        if self.cuts and request.transport is not None:
            request.transport.abort()
        return web.Response(text=self.name)


@asynccontextmanager
async def stub_backends(*stubs: Stub) -> AsyncIterator[tuple[Backend, ...]]:
    """Start them; stop them in the end."""
    async with contextlib.AsyncExitStack() as stack:
        backends = []
        for stub in stubs:
            stack.push_async_callback(stub.stop)
            backends.append(await stub.start())
        yield tuple(backends)


def spec_for(backends: tuple[Backend, ...], **settings: Any) -> ProxySpec:
    """A spec on free ports."""
    return ProxySpec(Address(HOST, free_port()), Address(HOST, free_port()), backends, **settings)
