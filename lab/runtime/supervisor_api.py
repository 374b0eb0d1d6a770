"""The supervisor's HTTP interface on loopback: what runs, and start and stop by name (docs/interfaces.md)."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from lab.runtime.ports import LOOPBACK
from lab.runtime.processes import Process


@asynccontextmanager
async def serve(
    processes: Mapping[str, Process], stop_asked: asyncio.Event, port: int, token: str
) -> AsyncIterator[None]:
    """Serve for the length of the context. `POST /shutdown` sets `stop_asked`; after that nothing is started."""
    runner = web.AppRunner(application(processes, stop_asked, token), access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, port).start()
    try:
        yield
    finally:
        await runner.cleanup()


def application(processes: Mapping[str, Process], stop_asked: asyncio.Event, token: str) -> web.Application:
    """The routes; errors are `{"error", "detail"}`."""

    def find(request: web.Request) -> Process:
        name = request.match_info["name"]
        if name not in processes:
            raise _error(web.HTTPNotFound, "unknown_process", f"no process {name}; there are {', '.join(processes)}")
        return processes[name]

    async def listing(_: web.Request) -> web.Response:
        return web.json_response({"processes": [process.report().as_json() for process in processes.values()]})

    async def start(request: web.Request) -> web.Response:
        process = find(request)
        if stop_asked.is_set():
            raise _error(web.HTTPServiceUnavailable, "stopping", "the lab is being stopped")
        if not await process.start():
            raise _error(web.HTTPConflict, "running", f"{process.spec.name} is running")
        return web.json_response(process.report().as_json())

    async def stop(request: web.Request) -> web.Response:
        process = find(request)
        await process.stop()
        return web.json_response(process.report().as_json())

    async def shutdown(_: web.Request) -> web.Response:
        stop_asked.set()
        return web.json_response({"stopping": True}, status=202)

    app = web.Application(middlewares=[_bearer(token)])
    app.router.add_get("/processes", listing)
    app.router.add_post("/processes/{name}/start", start)
    app.router.add_post("/processes/{name}/stop", stop)
    app.router.add_post("/shutdown", shutdown)
    return app


def _bearer(token: str) -> Middleware:
    expected = f"Bearer {token}".encode()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, expected):
            raise _error(web.HTTPUnauthorized, "unauthorized", "a bearer token is needed")
        return await handler(request)

    return check


def _error(kind: type[web.HTTPException], error: str, detail: str) -> web.HTTPException:
    body = web.json_response({"error": error, "detail": detail})
    return kind(text=body.text, content_type="application/json")
