"""The other direction: what the client is sent, every client must read alike, and a cut must look like one.

A backend's mutated answer goes through the balancer (no sockets) to a client that has pipelined two requests. h11,
llhttp, http.client and aiohttp (C and Python) must find the same answers in what the client is sent.
"""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.differential import (
    OK,
    Said,
    pass_through,
    said_to_aiohttp,
    said_to_h11,
    said_to_http_client,
    said_to_llhttp,
)
from tests.support.mutations import cut, mutated

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

SEEDS = [
    OK,
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
    CHUNKED + b"3\r\nabc\r\n0\r\n\r\n",
    CHUNKED + b"3;ext\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nETag: 1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 7\r\n\r\n',
    b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK,
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    CHUNKED[:-2] + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + OK,
    b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nConnection: content-length, x\r\nContent-Length: 2\r\nX: 1\r\n\r\nok",
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n" + OK,
    b"HTTP/1.1 103 Early Hints\r\nContent-Length: +2\r\nLink : </x>\r\n\r\n" + OK,
    b"HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic, NTLM\r\nContent-Length: 2\r\n\r\nno",
]

WHOLE = ("", "bad_response", "reset", "timeout")
"""How requests end whose answer, a backend's or the balancer's own, went out to its end."""


def complete(answers: list[Said]) -> list[Said]:
    """What is known of an answer that is cut differs by client; that it is cut must not."""
    return [said for said in answers if said.complete]


async def compare(method: str, version: str, segments: list[bytes], *, backend_ends: bool) -> None:
    keep = "Connection: keep-alive\r\n" if version == "1.0" else ""
    request = f"{method} / HTTP/{version}\r\nHost: a\r\n{keep}\r\n".encode()
    passage = await pass_through([request + request], [segments], backend_ends=backend_ends)
    data, ended = passage.answered, passage.ended
    read = {
        "h11": said_to_h11(data, method, ended),
        "llhttp": said_to_llhttp(data, method, ended),
        "http.client": said_to_http_client(data, method, ended),
        "aiohttp": await said_to_aiohttp(data, method, ended),
        "aiohttp in Python": await said_to_aiohttp(data, method, ended, pure=True),
    }
    whole = [record.status for record in passage.records if record.error in WHOLE]
    assert [said.status for said in complete(read["h11"])] == whole, data
    assert complete(read["h11"])[1:] in ([], [Said(200, b"" if method == "HEAD" else b"ok", True)]), data


@pytest.mark.timeout(900)
@settings(settings.get_profile("fuzz"))
@given(
    st.sampled_from(["GET", "GET", "GET", "HEAD", "POST"]),
    st.sampled_from(["1.1", "1.1", "1.0"]),
    mutated(SEEDS),
    st.lists(st.integers(0, 300), max_size=3),
    st.booleans(),
)
def test_what_is_answered_every_client_reads_alike(
    method: str, version: str, stream: bytes, places: list[int], backend_ends: bool
) -> None:
    asyncio.run(compare(method, version, cut(stream, places), backend_ends=backend_ends))


@pytest.mark.parametrize("seed", SEEDS, ids=range(len(SEEDS)))
@pytest.mark.parametrize("backend_ends", [False, True])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_each_seed(seed: bytes, version: str, backend_ends: bool) -> None:
    asyncio.run(compare("GET", version, [seed], backend_ends=backend_ends))
