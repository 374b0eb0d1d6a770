"""ASGI middleware that refuses every call but `/healthz` without the bearer token.

It runs before routing and parsing, so that a caller without the token learns nothing about paths and bodies.
"""

from __future__ import annotations

import json
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ..access.auth import OPEN_PATHS, check_origin, check_token
from ..errors import ChaosError


class Gate:
    """Checks the headers `Host` and `Origin`, then the token."""

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
        check_origin(headers.getlist("host"), headers.getlist("origin"))
        if scope["path"] not in OPEN_PATHS:
            check_token(headers.get("authorization"), self._token)


class AsciiResponse(JSONResponse):
    """JSON in ASCII. UTF-8 cannot encode an unpaired surrogate, which an error may quote from a request."""

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


def error_response(error: ChaosError) -> JSONResponse:
    """Return the response for an error, in the format of docs/interfaces.md."""
    return AsciiResponse(error.to_json(), status_code=error.status, headers=error.headers)
