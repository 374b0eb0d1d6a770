"""Routes with streamed bodies: `/echo`, `/stream` and the WebSocket echo. They keep no body in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response, WebSocket
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from .models import MAX_SLEEP_MS

router = APIRouter(tags=["streams"])

ECHO_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class EchoResponse(Response):
    """Sends each chunk of the request body back as it arrives.

    It is not a `StreamingResponse`, because that calls `receive` while it sends, to notice a disconnect, and would
    discard chunks of the request body.
    """

    def __init__(self, request: Request) -> None:
        super().__init__(media_type=request.headers.get("content-type", "application/octet-stream"))
        self.headers["x-method"] = request.method
        if (length := request.headers.get("content-length")) is not None:
            self.headers["content-length"] = length
        else:
            del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Copy from `receive` to `send`. The server's flow control on both sides limits the memory."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            more = message.get("more_body", False)
            await send({"type": "http.response.body", "body": message.get("body", b""), "more_body": more})


async def echo(request: Request) -> Response:
    """Stream the request body back with its content type. `X-Method` is the method."""
    return EchoResponse(request)


for _method in ECHO_METHODS:
    router.add_api_route(
        "/echo",
        echo,
        methods=[_method],
        operation_id=f"echo_{_method.lower()}",
        summary="Echo the request body",
        response_class=Response,
        responses={200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}},
    )


@router.get("/stream", summary="A chunked body, with pauses if asked", response_class=StreamingResponse)
async def stream(
    chunks: Annotated[int, Query(ge=0, le=100_000, description="Number of chunks")] = 10,
    interval_ms: Annotated[float, Query(ge=0, le=MAX_SLEEP_MS, description="Pause before each but the first, ms")] = 0,
    size: Annotated[int, Query(alias="bytes", ge=1, le=1024 * 1024, description="Bytes in a chunk")] = 1024,
) -> Response:
    """Return `chunks` chunks of `bytes` bytes each, `interval_ms` apart, without a Content-Length."""
    return StreamingResponse(_paced(chunks, interval_ms / 1000, bytes(size)), media_type="application/octet-stream")


async def _paced(chunks: int, interval_s: float, chunk: bytes) -> AsyncIterator[bytes]:
    for number in range(chunks):
        if number and interval_s:
            await asyncio.sleep(interval_s)
        yield chunk


@router.websocket("/ws")
async def websocket_echo(
    socket: WebSocket,
    delay_ms: Annotated[float, Query(ge=0, le=MAX_SLEEP_MS, description="Pause before each echo, ms")] = 0,
) -> None:
    """Send every message back unchanged: text as text, binary as binary."""
    await socket.accept()
    while (message := await socket.receive())["type"] == "websocket.receive":
        await asyncio.sleep(delay_ms / 1000)
        if (text := message.get("text")) is not None:
            await socket.send_text(text)
        else:
            await socket.send_bytes(message["bytes"])
