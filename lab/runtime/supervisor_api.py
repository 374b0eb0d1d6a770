"""The supervisor's HTTP interface on loopback: what runs, and start and stop by name (docs/interfaces.md)."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from .ports import LOOPBACK
from .supervised_process import STOP_GRACE_S, Process

Scale = Callable[[int], Awaitable[str]]
"""Run so many backends; answers what went wrong, or an empty string."""
MOST_BACKENDS = 20


@asynccontextmanager
async def serve(
    processes: Mapping[str, Process], stop_asked: asyncio.Event, port: int, token: str, scale: Scale
) -> AsyncIterator[None]:
    """Serve for the length of the context. `POST /shutdown` sets `stop_asked`; after that nothing is started."""
    runner = web.AppRunner(application(processes, stop_asked, token, scale), access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, port).start()
    try:
        yield
    finally:
        await runner.cleanup()


def application(
    processes: Mapping[str, Process], stop_asked: asyncio.Event, token: str, scale: Scale
) -> web.Application:
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
        await _set_environment(process, request)
        if not await process.start():
            raise _error(web.HTTPConflict, "running", f"{process.spec.name} is running")
        return web.json_response(process.report().as_json())

    async def stop(request: web.Request) -> web.Response:
        process = find(request)
        await process.stop(await _grace_s(request))
        return web.json_response(process.report().as_json())

    async def shutdown(_: web.Request) -> web.Response:
        stop_asked.set()
        return web.json_response({"stopping": True}, status=202)

    app = web.Application(middlewares=[_bearer(token)])
    app.router.add_get("/processes", listing)
    app.router.add_post("/processes/{name}/start", start)
    app.router.add_post("/processes/{name}/stop", stop)
    app.router.add_post("/backends", _backends(scale, listing))
    app.router.add_post("/shutdown", shutdown)
    return app


async def _body(request: web.Request) -> dict[str, Any]:
    """The JSON object of a request; a body is never needed."""
    try:
        body = json.loads(await request.read() or b"{}")
    except (ValueError, RecursionError) as error:
        raise _error(web.HTTPBadRequest, "bad_json", str(error)) from error
    if not isinstance(body, dict):
        raise _error(web.HTTPBadRequest, "bad_json", "expected an object")
    return body


def _backends(scale: Scale, listing: Callable[[web.Request], Awaitable[web.Response]]) -> Handler:
    async def backends(request: web.Request) -> web.Response:
        if problem := await scale(await _count(request)):
            raise _error(web.HTTPBadGateway, "not_ready", problem)
        return await listing(request)

    return backends


async def _grace_s(request: web.Request) -> float:
    return 0.0 if (await _body(request)).get("signal") == "KILL" else STOP_GRACE_S


async def _count(request: web.Request) -> int:
    count = (await _body(request)).get("count")
    if not isinstance(count, int) or not 1 <= count <= MOST_BACKENDS:
        detail = f"count: expected 1 to {MOST_BACKENDS}; got {count!r}"
        raise _error(web.HTTPUnprocessableEntity, "bad_count", detail)
    return count


async def _set_environment(process: Process, request: web.Request) -> None:
    """Of the next start, where the request names one."""
    environment = (await _body(request)).get("environment")
    if environment is None:
        return
    if process.running:
        raise _error(web.HTTPConflict, "running", f"{process.spec.name} is running: stop it first")
    process.environment = _strings(environment)


def _strings(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise _error(web.HTTPUnprocessableEntity, "bad_environment", "environment: expected text values")
    return value


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
