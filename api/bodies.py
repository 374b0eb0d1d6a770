"""ASGI middleware that limits JSON bodies in size and depth before a route sees them."""

from __future__ import annotations

import json

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 64 * 1024
"""Bytes. The largest call that makes sense, a job with its longest id, has under 1 KiB."""
MAX_DEPTH = 16
"""Lists and objects within each other. No call needs more than 1; the parser's own stack bears about 1,000."""
STREAMING = frozenset({"/echo"})
"""Paths that pass a body on piece by piece and hold none of it."""


class BoundedBodies:
    """Answers 413 or 400 instead of handing a body on that is too long or nested too deep."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body of a call that may have one, and serve the call with it."""
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
    """Return whether lists and objects are within each other more than `MAX_DEPTH` times. What is no JSON is not."""
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
