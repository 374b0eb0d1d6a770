"""The relay's control API, for the chaos service on the same host (see docs/interfaces.md)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from ..access.auth import OPEN_PATHS, check_origin, check_token
from ..access.bounds import MAX_BODY, parse
from ..access.connections import BODY_S, IDLE_S, LINGER_S, listen
from ..errors import BadRequestError, ChaosError, LateError
from ..links.impairment import Impairment
from .relay import Relay


def control_app(relay: Relay, token: str) -> web.Application:
    """Return the API: `GET /healthz`, and with the token `GET /state`, `PUT /fault`, `DELETE /fault[?kind=]`."""

    async def get_healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def get_state(_: web.Request) -> web.Response:
        return web.json_response(relay.state())

    async def put_fault(request: web.Request) -> web.Response:
        if "Content-Encoding" in request.headers:
            raise BadRequestError("body: expected no Content-Encoding")
        try:
            async with asyncio.timeout(BODY_S):
                received = await request.read()
        except TimeoutError as error:
            raise LateError(f"body: not complete after {BODY_S:g} s") from error
        body = parse(received)
        try:
            await relay.impair(Impairment.from_json(body))
        except ValueError as error:
            raise BadRequestError(f"body: {error}") from error
        return web.json_response(relay.state())

    async def delete_fault(request: web.Request) -> web.Response:
        await relay.heal(request.query.get("kind"))
        return web.json_response(relay.state())

    app = web.Application(middlewares=[_guarded(token)], client_max_size=MAX_BODY)
    app.add_routes(
        [
            web.get("/healthz", get_healthz),
            web.get("/state", get_state),
            web.put("/fault", put_fault),
            web.delete("/fault", delete_fault),
        ]
    )
    return app


@asynccontextmanager
async def serving(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve while the context is open, which yields the port. Raise OSError if the port is in use."""
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=IDLE_S, lingering_time=LINGER_S)
    await runner.setup()
    server = await listen(runner, host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await runner.cleanup()


def _guarded(token: str) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            check_origin(request.headers.getall("Host", []), request.headers.getall("Origin", []))
            if request.path not in OPEN_PATHS:
                check_token(request.headers.get("Authorization"), token)
            return await handler(request)
        except ChaosError as error:
            return _answer(error.to_json(), error.status, error.headers)
        except web.HTTPException as error:
            allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
            return _answer({"error": "http", "detail": error.reason, "possible": []}, error.status, allow)

    return guard


def _answer(body: dict[str, Any], status: int, headers: Mapping[str, str]) -> web.Response:
    return web.Response(text=json.dumps(body), status=status, headers=headers, content_type="application/json")
