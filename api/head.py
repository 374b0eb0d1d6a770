"""HEAD for every path that has GET: the same processing and head, without the body (RFC 9110 §9.3.2)."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HAS_ITS_OWN = frozenset({"/echo"})
"""Answers HEAD itself, and names the method it saw."""


class HeadMiddleware:
    """One place instead of a second method on each route, which would double the API's description."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask the app for GET, and pass on what it answers but for the bytes of the body."""
        if scope["type"] != "http" or scope["method"] != "HEAD" or scope["path"] in _HAS_ITS_OWN:
            await self._app(scope, receive, send)
            return

        async def bodiless(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._app({**scope, "method": "GET"}, receive, bodiless)
