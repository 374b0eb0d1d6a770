"""Hostile clients of every kind at once, in a process of their own: `… SECONDS TRAFFIC_PORT ADMIN_PORT [KIND…]`.

Each kind has a few connections; one that the balancer closes is opened again a second later. All numbers are bounded,
and the process ends by itself. Printed is one JSON object: for each kind, how many connections it made and how many
bytes it sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable

HOST = "127.0.0.1"
ANEW_S = 1.0
CHUNKS = b"1\r\na\r\n" * 700
"""4 KiB of chunks of one byte each."""

Pieces = Callable[[], AsyncIterator[bytes]]
"""What one connection sends, piece by piece."""


async def pipelined() -> AsyncIterator[bytes]:
    """256 KiB of the smallest requests, whose answers nobody reads."""
    yield b"GET /small HTTP/1.1\r\nHost:a\r\n\r\n" * 8192
    await asyncio.sleep(3600)


async def tiny_chunks() -> AsyncIterator[bytes]:
    """A body that is hardly more than framing."""
    yield b"POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    while True:
        yield CHUNKS
        await asyncio.sleep(0.25)


async def slow_body() -> AsyncIterator[bytes]:
    """One byte in a while."""
    yield b"POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
    while True:
        yield b"a"
        await asyncio.sleep(2)


async def slow_head() -> AsyncIterator[bytes]:
    """One field in a while."""
    yield b"GET /small HTTP/1.1\r\nHost: a\r\n"
    while True:
        yield b"X-A: b\r\n"
        await asyncio.sleep(2)


async def reads_nothing() -> AsyncIterator[bytes]:
    """Asks for 4 MiB and reads none of it."""
    yield b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"
    await asyncio.sleep(3600)


async def many_fields() -> AsyncIterator[bytes]:
    """Heads that are too large, in pieces."""
    yield b"GET /small HTTP/1.1\r\nHost: a\r\n"
    for number in range(5000):
        yield b"X-%d: %s\r\n" % (number, b"a" * 100)
        await asyncio.sleep(0.01)


async def events() -> AsyncIterator[bytes]:
    """An event stream that nobody reads."""
    yield b"GET /events?since=0 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    await asyncio.sleep(3600)


async def deep_json() -> AsyncIterator[bytes]:
    """An order nested 60,000 deep."""
    body = b"[" * 60_000
    yield b"PUT /policy HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (
        len(body)
    )
    yield body
    await asyncio.sleep(5)


TRAFFIC: dict[str, tuple[Pieces, int]] = {
    "pipelined": (pipelined, 4),  # each of them is served like an honest client that never pauses
    "tiny chunks": (tiny_chunks, 10),
    "slow body": (slow_body, 40),
    "slow head": (slow_head, 100),
    "reads nothing": (reads_nothing, 40),
    "many fields": (many_fields, 10),
}
ADMIN: dict[str, tuple[Pieces, int]] = {"events": (events, 100), "deep JSON": (deep_json, 4)}
"""Kind → what a connection sends, and how many there are."""


async def keep_attacking(pieces: Pieces, port: int, seen: dict[str, int]) -> None:
    """One connection after another."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(HOST, port, limit=1024)
            writer.transport.set_write_buffer_limits(high=1024)
            seen["connections"] += 1
            sending = asyncio.create_task(send(pieces, writer, seen))
            sending.add_done_callback(lambda task: task.cancelled() or task.exception())  # a cut is what is expected
            # Not reading fills the receive buffer; a connection that the balancer closed shows when writing fails.
            await asyncio.wait({sending, asyncio.create_task(closed(reader))}, return_when=asyncio.FIRST_COMPLETED)
            sending.cancel()
            writer.transport.abort()
        await asyncio.sleep(ANEW_S)


async def send(pieces: Pieces, writer: asyncio.StreamWriter, seen: dict[str, int]) -> None:
    async for piece in pieces():
        writer.write(piece)
        seen["bytes"] += len(piece)
        await writer.drain()


async def closed(reader: asyncio.StreamReader) -> None:
    """Return when the other side has closed, as far as one sees that without reading."""
    while reader.exception() is None and not reader.at_eof():  # noqa: ASYNC110 - a reader that is not read tells nobody
        await asyncio.sleep(0.1)


async def main(seconds: float, traffic: int, admin: int, wanted: list[str]) -> None:
    seen: dict[str, dict[str, int]] = {name: {"connections": 0, "bytes": 0} for name in wanted or (*TRAFFIC, *ADMIN)}
    tasks = [
        asyncio.create_task(keep_attacking(pieces, port, seen[name]))
        for kinds, port in ((TRAFFIC, traffic), (ADMIN, admin))
        for name, (pieces, count) in kinds.items()
        for _ in range(count if name in seen else 0)
    ]
    await asyncio.wait(tasks, timeout=seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(json.dumps(seen))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]))
