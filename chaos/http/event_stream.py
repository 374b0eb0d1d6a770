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
"""A comment line this often, so that a quiet event stream is not taken for a dead one."""
MOST_STREAMS = 64
"""Readers at a time, as of the balancer's stream. Each keeps a connection; a lab needs one, a page another."""
WRITE_TIMEOUT_S = 10.0
"""A reader that takes nothing for this long is dropped; it can come back with `?since=`."""


class EventStream(StreamingResponse):
    """Replays from a position, then follows, until the log is closed or the reader leaves. 503 beyond the limit."""

    def __init__(self, events: EventLog, since: int) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(_sse(events, since), media_type="text/event-stream", headers=headers)
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check and count in one step, with nothing awaited in between."""
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
        """Send the stream. Abort the connection if the reader stops reading, so that it notices the gap."""

        async def in_time(message: Message) -> None:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await send(message)

        try:
            await super().stream_response(in_time)
        except TimeoutError:
            return


async def _sse(events: EventLog, since: int) -> AsyncIterator[str]:
    """Send the event log as server-sent events (WHATWG HTML §9.2)."""
    yield ": reroute\n\n"  # lets the client's request return before the first event
    async for event in events.follow(since, idle_s=KEEP_ALIVE_S):
        if event is None:
            yield ": still here\n\n"
        else:
            yield f"id: {event['seq']}\nevent: {event['type']}\ndata: {json.dumps(event)}\n\n"
