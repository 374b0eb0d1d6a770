"""The relay's control API, for the chaos service on the same host (see docs/interfaces.md)."""

from __future__ import annotations

from aiohttp import web

from ..links.impairment import Impairment
from .relay import Relay


def control_app(relay: Relay) -> web.Application:
    """`GET /state`, `PUT /fault`, `DELETE /fault[?kind=]`."""

    async def get_state(_: web.Request) -> web.Response:
        return web.json_response(relay.state())

    async def put_fault(request: web.Request) -> web.Response:
        try:
            await relay.impair(Impairment.from_json(await request.json()))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            return web.json_response({"error": "bad_fault", "detail": str(error)}, status=422)
        return web.json_response(relay.state())

    async def delete_fault(request: web.Request) -> web.Response:
        await relay.heal(request.query.get("kind"))
        return web.json_response(relay.state())

    app = web.Application()
    app.add_routes([web.get("/state", get_state), web.put("/fault", put_fault), web.delete("/fault", delete_fault)])
    return app
