"""The door of the service: an ASGI middleware that lets nothing but `/healthz` through without the token.

In front of routing and parsing, so that a stranger learns neither which paths exist nor what a body must look like.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import ChaosError
from .auth import check_origin, check_token

OPEN_PATHS = frozenset({"/healthz"})


class Gate:
    """Checks origin, then token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            try:
                self._check(scope)
            except ChaosError as error:
                await error_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        check_origin(headers.get("host", ""), headers.get("origin"))
        if scope["path"] not in OPEN_PATHS:
            check_token(headers.get("authorization"), self._token)


def error_response(error: ChaosError) -> JSONResponse:
    """The one shape of every error (see docs/interfaces.md)."""
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None  # RFC 9110 §15.5.2
    body = {"error": error.code, "detail": error.detail, "possible": error.possible}
    return JSONResponse(body, status_code=error.status, headers=headers)
