"""The supervisor's HTTP API on loopback: list, start and stop processes by name (docs/interfaces.md)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

from . import control_port
from .control_port import CallError, body_of
from .supervised_process import STOP_GRACE_S, Process
from .topology import Role

MOST_BACKENDS = 20
LEAVE_GRACE_S = 12.0
"""Seconds between SIGTERM and SIGKILL for a backend that leaves: it gives its requests 10 s to complete."""


Find = Callable[[web.Request], Process]
"""Returns the process that a request names."""


class Backends(Protocol):
    """Starts and stops backends."""

    async def scale(self, count: int) -> str:
        """Run the given number of backends. Return what went wrong, or an empty string."""

    async def start_backend(self) -> tuple[Process, str]:
        """Start one more backend. Return its process, and why it did not become ready; an empty string if it did."""

    async def leave(self, name: str, grace_s: float) -> None:
        """Stop a backend, with SIGKILL after `grace_s`, and forget it."""


@asynccontextmanager
async def serve(
    processes: Mapping[str, Process], stop_asked: asyncio.Event, port: int, token: str, backends: Backends
) -> AsyncIterator[None]:
    """Serve for the length of the context. `POST /shutdown` sets `stop_asked`; afterwards no process is started."""
    async with control_port.serving(application(processes, stop_asked, token, backends), port):
        yield


def application(
    processes: Mapping[str, Process], stop_asked: asyncio.Event, token: str, backends: Backends
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
    _add_backend_routes(app, processes, backends, find, listing)
    app.router.add_post("/shutdown", shutdown)
    return app


def _add_backend_routes(
    app: web.Application, processes: Mapping[str, Process], backends: Backends, find: Find, listing: Handler
) -> None:
    async def scale(request: web.Request) -> web.StreamResponse:
        if problem := await backends.scale(await _count(request)):
            raise CallError(502, "not_ready", problem)
        return await listing(request)

    async def start(_: web.Request) -> web.Response:
        if sum(process.spec.role is Role.API for process in processes.values()) >= MOST_BACKENDS:
            raise CallError(409, "too_many", f"{MOST_BACKENDS} backends are running, and no more can be started")
        process, problem = await backends.start_backend()
        if problem:
            raise CallError(502, "not_ready", problem)
        return web.json_response(process.report().as_json())

    async def leave(request: web.Request) -> web.Response:
        name = find(request).spec.name
        if find(request).spec.role is not Role.API:
            raise CallError(409, "no_backend", f"{name} is not a backend")
        await backends.leave(name, LEAVE_GRACE_S)
        return web.json_response({"left": name})

    app.router.add_post("/backends", scale)
    app.router.add_post("/backends/new", start)
    app.router.add_delete("/backends/{name}", leave)


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
