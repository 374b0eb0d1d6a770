"""The supervisor's HTTP API on loopback: list, start and stop processes by name (docs/interfaces.md)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from . import control_port
from .control_port import CallError, body_of
from .supervised_process import STOP_GRACE_S, Process

Scale = Callable[[int], Awaitable[str]]
"""Runs the given number of backends. Returns what went wrong, or an empty string."""
MOST_BACKENDS = 20


@asynccontextmanager
async def serve(
    processes: Mapping[str, Process], stop_asked: asyncio.Event, port: int, token: str, scale: Scale
) -> AsyncIterator[None]:
    """Serve for the length of the context. `POST /shutdown` sets `stop_asked`; afterwards no process is started."""
    async with control_port.serving(application(processes, stop_asked, token, scale), port):
        yield


def application(
    processes: Mapping[str, Process], stop_asked: asyncio.Event, token: str, scale: Scale
) -> web.Application:
    """Return the routes. Errors have the body `{"error", "detail"}`."""

    def find(request: web.Request) -> Process:
        name = request.match_info["name"]
        if name not in processes:
            raise CallError(404, "unknown_process", f"no process {name[:80]}; there are {', '.join(processes)}")
        return processes[name]

    async def listing(_: web.Request) -> web.Response:
        return web.json_response({"processes": [process.report().as_json() for process in processes.values()]})

    async def start(request: web.Request) -> web.Response:
        process = find(request)
        if stop_asked.is_set():
            raise CallError(503, "stopping", "the lab is being stopped")
        await _set_environment(process, request)
        if not await process.start():
            raise CallError(409, "running", f"{process.spec.name} is running")
        return web.json_response(process.report().as_json())

    async def stop(request: web.Request) -> web.Response:
        process = find(request)
        await process.stop(await _grace_s(request))
        return web.json_response(process.report().as_json())

    async def shutdown(_: web.Request) -> web.Response:
        stop_asked.set()
        return web.json_response({"stopping": True}, status=202)

    app = control_port.application(token)
    app.router.add_get("/processes", listing)
    app.router.add_post("/processes/{name}/start", start)
    app.router.add_post("/processes/{name}/stop", stop)
    app.router.add_post("/backends", _backends(scale, listing))
    app.router.add_post("/shutdown", shutdown)
    return app


def _backends(scale: Scale, listing: Callable[[web.Request], Awaitable[web.Response]]) -> Handler:
    async def backends(request: web.Request) -> web.Response:
        if problem := await scale(await _count(request)):
            raise CallError(502, "not_ready", problem)
        return await listing(request)

    return backends


async def _grace_s(request: web.Request) -> float:
    return 0.0 if (await body_of(request)).get("signal") == "KILL" else STOP_GRACE_S


async def _count(request: web.Request) -> int:
    count = (await body_of(request)).get("count")
    if type(count) is not int or not 1 <= count <= MOST_BACKENDS:  # `True` is an `int` too
        raise CallError(422, "bad_count", f"count: expected 1 to {MOST_BACKENDS}; got {str(count)[:80]}")
    return count


async def _set_environment(process: Process, request: web.Request) -> None:
    """Set the environment of the next start if the request has one."""
    environment = (await body_of(request)).get("environment")
    if environment is None:
        return
    if process.running:
        raise CallError(409, "running", f"{process.spec.name} is running: stop it first")
    process.environment = _variables(environment)


def _variables(value: Any) -> dict[str, str]:
    """Return the value as variables. Raise `CallError` if the kernel would refuse it as an environment."""
    if not isinstance(value, dict):
        raise CallError(422, "bad_environment", "environment: expected an object of text values")
    for name, text in value.items():
        if not name or "=" in name or not _is_text(name) or not _is_text(text):
            detail = f"environment.{name[:80]!r}: expected a name without = and a text, both without NUL"
            raise CallError(422, "bad_environment", detail)
    return value


def _is_text(value: object) -> bool:
    """Return whether the text can be encoded in UTF-8 and contains no NUL."""
    return isinstance(value, str) and "\0" not in value and not any("\ud800" <= sign <= "\udfff" for sign in value)
