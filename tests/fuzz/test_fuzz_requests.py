"""Request smuggling is a difference between two readings: whatever is forwarded, every backend must read as we did.

Mutated requests go through the balancer (no sockets); what leaves for a backend is read by uvicorn (h11 and llhttp)
and by aiohttp (C and Python). All must find the same requests: method, target, body, and as many of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tests.support.differential import (
    Read,
    pass_through,
    read_by_aiohttp,
    read_by_aiohttp_in_python,
    read_by_us,
    read_by_uvicorn,
)
from tests.support.mutations import cut, mutated

Server = Callable[[list[bytes]], Awaitable[list[Read]]]

SERVERS: dict[str, Server] = {
    "uvicorn on h11": lambda writes: read_by_uvicorn(H11Protocol, writes),
    "uvicorn on httptools": lambda writes: read_by_uvicorn(HttpToolsProtocol, writes),
    "aiohttp": read_by_aiohttp,
    "aiohttp in Python": read_by_aiohttp_in_python,
}

GET = b"GET /a?b=c HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"
INNER = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

SEEDS = [
    GET,
    b"HEAD /h HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n",
    b"POST /s HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"PUT /e HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    CHUNKED + b"3\r\nabc\r\n0\r\n\r\n",
    CHUNKED + b"3;ext=1\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nETag: 1\r\n\r\n",
    CHUNKED + b"0\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET /k HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    b"DELETE http://a/abs HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /up HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    b"PATCH /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    # Smuggling, as published: CL.TE, TE.CL, TE.TE, CL.0, a request line inside a chunk extension, TE by Connection.
    HEAD + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n27\r\n" + INNER + b"0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n" + INNER,
    HEAD + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + INNER,
    HEAD + b"Content-Length: %d\r\n\r\n" % len(INNER) + INNER,
    CHUNKED + b"3;\n" + b"abc\r\n0\r\n\r\n" + INNER,
    CHUNKED + b"2;\nxx\r\n27\r\n0\r\n\r\n" + INNER + b"0\r\n\r\n",
    HEAD + b"Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + INNER,
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(INNER) + INNER,
    b"GET /up HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" + INNER,
    HEAD + b"X: y\r\rContent-Length: 3\r\n\r\nabc",
    HEAD + b"Content-Length: 3\r\n\nabc",
]


def alike(read: Read) -> Read:
    """ASGI does not tell an empty query from none."""
    return read._replace(target=read.target.removesuffix(b"?")) if read.target.count(b"?") == 1 else read


async def compare(stream: bytes, segments: list[bytes]) -> None:
    ours = read_by_us(segments)
    forwarded = (await pass_through(segments)).upstream
    for name, read in SERVERS.items():
        theirs = [request for writes in forwarded for request in await read(writes)]
        assert [alike(one) for one in theirs] == [alike(one) for one in ours], f"{name}, of {forwarded}"


@pytest.mark.parametrize("seed", SEEDS, ids=range(len(SEEDS)))
def test_each_seed(seed: bytes) -> None:
    asyncio.run(compare(seed, [seed]))


@pytest.mark.timeout(900)
@settings(settings.get_profile("fuzz"))
@given(mutated(SEEDS), st.lists(st.integers(0, 400), max_size=3))
def test_what_is_forwarded_every_backend_reads_as_we_did(stream: bytes, places: list[int]) -> None:
    asyncio.run(compare(stream, cut(stream, places)))
