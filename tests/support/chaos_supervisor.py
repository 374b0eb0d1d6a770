"""A supervisor for tests: real backend processes behind real relays, and the HTTP contract in front of them."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

from chaos.relay.control import control_app
from chaos.relay.relay import Relay
from tests.support.chaos_waiting import until
from tests.support.free_ports import free_port

BACKEND = Path(__file__).with_name("chaos_backend.py")
TOKEN = "supervisor-secret"
RELAY_TOKEN = "relay-secret"


class Backend:
    def __init__(self, name: str) -> None:
        self.name = name
        self.port = free_port()
        self.relay = Relay(("127.0.0.1", 0), ("127.0.0.1", self.port))
        self.process: asyncio.subprocess.Process | None = None
        self.control = ""
        self._relaying: asyncio.Task[None] | None = None
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        self._relaying = asyncio.ensure_future(self.relay.run())
        self._runner = web.AppRunner(control_app(self.relay, RELAY_TOKEN), access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.control = "http://{}:{}".format(*self._runner.addresses[0])
        await self.start()
        await until(lambda: self.relay.listener.is_open, 10)

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(sys.executable, str(BACKEND), str(self.port))

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    async def end(self, *, kill: bool = True) -> None:
        if self.process is not None and self.is_running:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill() if kill else self.process.terminate()
            await self.process.wait()

    async def close(self) -> None:
        await self.end()
        if self._relaying is not None:
            self._relaying.cancel()
            await asyncio.gather(self._relaying, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "role": "api",
            "pid": self.pid,
            "state": "running" if self.is_running else "exited",
            "exit_code": self.process.returncode if self.process else None,
            "address": "{}:{}".format(*self.relay.listener.address),
            "upstream": f"127.0.0.1:{self.port}",
            "control": self.control,
            "log": "/dev/null",
            "instance": self.name,
        }


class FakeSupervisor:
    """`async with FakeSupervisor("api-1", "api-2") as supervisor`."""

    def __init__(self, *names: str) -> None:
        self.backends = {name: Backend(name) for name in names}
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> FakeSupervisor:
        await asyncio.gather(*(backend.open() for backend in self.backends.values()))
        app = web.Application(middlewares=[self._authorize])
        app.add_routes(
            [
                web.get("/processes", self._list),
                web.post("/processes/{name}/start", self._start),
                web.post("/processes/{name}/stop", self._stop),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = "http://{}:{}".format(*self._runner.addresses[0])
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()
        await asyncio.gather(*(backend.close() for backend in self.backends.values()))

    @staticmethod
    @web.middleware
    async def _authorize(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"error": "unauthorized"}, status=401)
        response: web.StreamResponse = await handler(request)
        return response

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response({"processes": [backend.to_json() for backend in self.backends.values()]})

    async def _start(self, request: web.Request) -> web.Response:
        backend = self.backends[request.match_info["name"]]
        if backend.is_running:
            return web.json_response({"error": "running"}, status=409)
        await backend.start()
        return web.json_response(backend.to_json())

    async def _stop(self, request: web.Request) -> web.Response:
        backend = self.backends[request.match_info["name"]]
        await backend.end(kill=False)
        return web.json_response(backend.to_json())
