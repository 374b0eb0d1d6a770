"""ASGI middleware that limits JSON bodies in size and depth before a route sees them."""

from __future__ import annotations

import json

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 64 * 1024
"""Bytes. The largest useful body, a job with the longest possible id, has less than 1 KiB."""
MAX_DEPTH = 16
"""Levels of nested lists and objects. No call needs more than 1; the parser itself can handle about 1,000."""
STREAMING = frozenset({"/echo"})
"""Paths that stream the body and keep none of it in memory. The limits do not apply to them."""


class BoundedBodies:
    """Answers 413 for a body that is too long, 400 for one that is nested too deeply."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read and check the body if the request may have one, then pass the request on."""
        if scope["type"] != "http" or scope["path"] in STREAMING or scope["method"] in ("GET", "HEAD"):
            return await self._app(scope, receive, send)
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > MAX_BODY:
                return await JSONResponse({"error": "too_large"}, 413)(scope, receive, send)
            if not message.get("more_body", False):
                break
        if is_deep(body):
            return await JSONResponse({"error": "too_deep"}, 400)(scope, receive, send)
        pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return pending.pop() if pending else await receive()

        return await self._app(scope, replay, send)


def is_deep(body: bytes) -> bool:
    """Return whether lists and objects are nested deeper than `MAX_DEPTH`. Return False if the body is not JSON."""
    try:
        level = [json.loads(body)]
    except RecursionError:
        return True
    except ValueError:
        return False
    for _ in range(MAX_DEPTH + 1):
        nested = [each for each in level if isinstance(each, list | dict)]
        if not nested:
            return False
        level = [child for each in nested for child in (each.values() if isinstance(each, dict) else each)]
    return True
