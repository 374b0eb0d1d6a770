"""`GET /events`: the event log as server-sent events (WHATWG HTML §9.2), for a limited number of readers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from ..engine.events import EventLog
from ..errors import TooManyError
from .token_middleware import error_response

KEEP_ALIVE_S = 15.0
"""Seconds between comment lines, so that a reader can tell an idle event stream from a dead one."""
MOST_STREAMS = 64
"""Maximum of simultaneous readers, the same as of the balancer's stream. A lab needs one, each open page another."""
WRITE_TIMEOUT_S = 10.0
"""Seconds after which a reader that reads nothing is disconnected. It can continue with `?since=`."""


class EventStream(StreamingResponse):
    """Replays events from a position, then sends new ones, until the log is closed or the reader disconnects.

    It answers 503 beyond the maximum of readers.
    """

    def __init__(self, events: EventLog, since: int) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(_sse(events, since), media_type="text/event-stream", headers=headers)
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the reader, or answer 503. Nothing is awaited between check and count, so that the limit is exact."""
        if self._events.readers >= MOST_STREAMS:
            error = TooManyError(f"{MOST_STREAMS} event streams are open; close one, or ask again later")
            await error_response(error)(scope, receive, send)
            return
        self._events.readers += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._events.readers -= 1

    async def stream_response(self, send: Send) -> None:
        """Send the stream. Abort the connection if the reader stops reading, so that it notices the missing events."""

        async def in_time(message: Message) -> None:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await send(message)

        try:
            await super().stream_response(in_time)
        except TimeoutError:
            return


async def _sse(events: EventLog, since: int) -> AsyncIterator[str]:
    """Format the event log as server-sent events."""
    yield ": reroute\n\n"  # lets the client's request return before the first event
    async for event in events.follow(since, idle_s=KEEP_ALIVE_S):
        if event is None:
            yield ": still here\n\n"
        else:
            yield f"id: {event['seq']}\nevent: {event['type']}\ndata: {json.dumps(event)}\n\n"
