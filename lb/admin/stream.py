"""`GET /events`: the event log as server-sent events."""

from __future__ import annotations

import asyncio

from aiohttp import web

from ..errors import InvalidError, TooManyError
from ..telemetry.event_log import EventLog, as_sse

HEARTBEAT_S = 5.0
"""A comment this often shows both ends that the other is still there."""
WRITE_TIMEOUT_S = 10.0
"""A reader that takes nothing for this long is dropped; it can come back with `Last-Event-ID`."""
MOST_STREAMS = 64
"""Readers at a time. Each one keeps a connection, and costs as much CPU for each event as a small request; a lab needs
two, a page one."""
GATHER_S = 0.05
"""Events of so long are written together: many readers of a burst would otherwise be woken by each one. The time of an
event is in the event."""
_BATCH = 500
_MAX_DIGITS = 18
"""Of a sequence number: more events than any process lives to see. `int` refuses 4,300 digits with an error."""


class Overtaken(Exception):  # noqa: N818 (what happened to the reader, not an error of the balancer)
    """The ring has dropped what the reader was to get next. The gap in the numbers shows when it comes back."""


async def stream(request: web.Request, log: EventLog) -> web.StreamResponse:
    """Replay from the reader's position, then follow. Ends when the reader leaves or cannot keep up.

    Raises `TooManyError`, `InvalidError`.
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
        # Cut, not ended: the reader must not take what it has for all there is.
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
    """Where to begin: after `since` as far as that is still here, or with what comes next. Raises `InvalidError`.

    A position that this process has never reached is one of a former process: begin with everything.
    """
    if since is None:
        return log.last_seq
    if not (since.isascii() and since.isdigit() and len(since) <= _MAX_DIGITS):
        raise InvalidError(f"since: {since[:80]!r} is not a sequence number")
    position = int(since) if int(since) <= log.last_seq else 0
    return max(position, log.first_seq - 1)
