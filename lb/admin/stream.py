"""`GET /events`: the event log as server-sent events."""

from __future__ import annotations

import asyncio

from aiohttp import web

from ..errors import InvalidError, TooManyError
from ..telemetry.event_log import EventLog, as_sse

HEARTBEAT_S = 5.0
"""Seconds between comment lines, by which each end notices if the other is no longer there."""
WRITE_TIMEOUT_S = 10.0
"""Seconds after which a reader that reads nothing is disconnected. It can continue with `Last-Event-ID`."""
MOST_STREAMS = 64
"""Maximum of simultaneous readers. Each keeps a connection, and an event costs as much CPU for each reader as a small
request. A lab needs two, each open page one."""
GATHER_S = 0.05
"""Seconds over which events are collected and written together, because otherwise each event of a burst would wake all
readers. The delay does not matter, because an event contains its time."""
_BATCH = 500
_MAX_DIGITS = 18
"""Maximum length of a sequence number, far above any real one. `int` raises an error for more than 4,300 digits."""


class Overtaken(Exception):  # noqa: N818 (what happened to the reader, not an error of the balancer)
    """The log no longer has the reader's next event. When the reader reconnects, the sequence numbers show the gap."""


async def stream(request: web.Request, log: EventLog) -> web.StreamResponse:
    """Send the events after the reader's position, then new ones, until the reader disconnects or cannot keep up.

    Raise TooManyError, or InvalidError for an invalid position.
    """
    position = start(request.headers.get("Last-Event-ID") or request.query.get("since"), log)
    if log.readers >= MOST_STREAMS:
        raise TooManyError(f"{MOST_STREAMS} event streams are open; close one, or ask again later")
    log.readers += 1
    try:
        return await _stream(request, log, position)
    finally:
        log.readers -= 1


async def _stream(request: web.Request, log: EventLog, position: int) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    try:
        await _follow(response, log, position)
    except (TimeoutError, ConnectionError, Overtaken):
        # Abort the connection, so that the reader does not take the stream for complete.
        if request.transport is not None:
            request.transport.abort()
    return response


async def _follow(response: web.StreamResponse, log: EventLog, position: int) -> None:
    while True:
        if position + 1 < log.first_seq:
            raise Overtaken
        entries = log.after(position)[:_BATCH]
        text = b"".join(map(as_sse, entries)) or b": still here\n\n"
        async with asyncio.timeout(WRITE_TIMEOUT_S):
            await response.write(text)
        if entries:
            position = entries[-1].seq
        try:
            await asyncio.wait_for(log.grown(position), HEARTBEAT_S)
        except TimeoutError:
            continue
        await asyncio.sleep(GATHER_S)


def start(since: str | None, log: EventLog) -> int:
    """Return the position after which to send: `since` as far as events are kept, else the end. Raise InvalidError.

    A position that this process has never reached is from an earlier process. Then all kept events are sent.
    """
    if since is None:
        return log.last_seq
    if not (since.isascii() and since.isdigit() and len(since) <= _MAX_DIGITS):
        raise InvalidError(f"since: {since[:80]!r} is not a sequence number")
    position = int(since) if int(since) <= log.last_seq else 0
    return max(position, log.first_seq - 1)
