"""Answers HEAD on every path that has GET: same processing and same head, without the body (RFC 9110 §9.3.2)."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HAS_ITS_OWN = frozenset({"/echo"})
"""Paths with a route for HEAD. The answer of `/echo` names the method that it received."""


class HeadMiddleware:
    """Handles HEAD for all routes at once. A second method on each route would double the OpenAPI document."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass HEAD to the app as GET, and pass the response on without its body."""
        if scope["type"] != "http" or scope["method"] != "HEAD" or scope["path"] in _HAS_ITS_OWN:
            await self._app(scope, receive, send)
            return

        async def bodiless(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._app({**scope, "method": "GET"}, receive, bodiless)
