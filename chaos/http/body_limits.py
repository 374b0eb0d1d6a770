"""ASGI middleware that limits JSON bodies before a route sees them (`chaos.access.bounds`)."""

from __future__ import annotations

from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..access.bounds import MAX_BODY, MAX_PLAN, parse
from ..errors import BadRequestError, ChaosError
from .token_middleware import error_response


class BoundedBodies:
    """Answers 413 or 400 for a JSON body beyond the limits. A body that is not JSON is passed to the route."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read and check the body if the method allows one, then pass the request on."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        try:
            body = await _read(receive, MAX_PLAN if scope["path"] == "/monkeys" else MAX_BODY)
        except ChaosError as error:
            await error_response(error)(scope, receive, send)
            return
        if body is None:
            return
        pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return pending.pop() if pending else await receive()

        await self._app(scope, replay, send)


async def _read(receive: Receive, most: int) -> bytes | None:
    """Return the body, or None if the client disconnected before its end."""
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > most or not message.get("more_body", False):
            break
    with suppress(BadRequestError):  # the route reports the position of the error
        parse(body, most)
    return body
