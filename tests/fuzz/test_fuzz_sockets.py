"""No bytes that arrive on a socket of any HTTP API, however broken, are answered with a server error that is not
documented, and the service answers afterwards.

`test_fuzz_apis.py` calls the same APIs without sockets, and judges each answer. Here the kernel is between the two:
requests arrive in pieces, several in a row, half-closed or reset, and with heads, lengths and chunks that are wrong.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import random
import re
import socket
import struct
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from tests.support.api_calls import Caller
from tests.support.fuzzed_apis import APIS, TOKEN, Api
from tests.support.mutations import KINDS, TOKENS, changed, cut

CONNECTIONS = {False: 150, True: 12_000}
"""To each API."""
AT_A_TIME = 10
ANSWERED_S = 0.15
"""Time for an answer that may never come, because the request is not complete; not asserted."""
LIVES_S = 10.0
FIXED_SEED = 13
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends a reset."""
STATUS = re.compile(rb"^HTTP/1\.[01] (\d{3}) ", re.MULTILINE)
HEAD = b"POST %s HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAuthorization: Bearer " + TOKEN.encode() + b"\r\n"
BODIES = (
    b"Content-Length: 3\r\n\r\n{}",
    b"Content-Length: 1\r\n\r\n{}",
    b"Content-Length: -2\r\n\r\n{}",
    b"Content-Length: 2, 3\r\n\r\n{}",
    b"Content-Length: 99999999999999999999999\r\n\r\n{}",
    b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n3\r\n{}\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}",
    b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n2;" + b"a" * 70_000 + b"\r\n{}\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nA: b\r\n" + b"C: d\r\n" * 200 + b"\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\n{}",
    b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}",
    b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("opened", APIS, ids=lambda each: each.__name__)
async def test_no_bytes_on_a_socket_are_answered_with_a_server_error(
    opened: object, soak: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = random.SystemRandom().randrange(2**32) if soak else FIXED_SEED
    print(f"seed {seed}")  # noqa: T201
    statuses: collections.Counter[int] = collections.Counter()
    problems: list[str] = []
    raised: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(repr(context)))
    async with opened(tmp_path, monkeypatch) as api:  # type: ignore[operator]
        server = await asyncio.get_running_loop().create_server(api.connect, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        rng, caller = Random(seed), api.caller(seed)
        for _ in range(0, CONNECTIONS[soak], AT_A_TIME):
            sent = [segments(rng, caller) for _ in range(AT_A_TIME)]
            ends = [rng.choice(("wait", "wait", "half-close", "reset")) for _ in sent]
            said = await asyncio.gather(*(exchange(port, *each) for each in zip(sent, ends, strict=True)))
            api.after()
            for request, answer in zip(sent, said, strict=True):
                found = [int(status) for status in STATUS.findall(answer)]
                statuses.update(found)
                if any(status >= 500 for status in found) and not is_documented(api, answer):
                    problems.append(f"{answer[:600]!r}\n  to {b''.join(request)[:1500]!r}")
        assert await lives(api, port)
        server.close()
    print(f"answers: {sorted(statuses.items())}")  # noqa: T201
    assert not problems, f"{len(problems)} of seed {seed}:\n" + "\n".join(problems[:20])
    assert not raised, raised[:5]
    assert {200, 400} <= set(statuses), "some requests got through, and some did not"


def segments(rng: Random, caller: Caller) -> list[bytes]:
    """One to three requests in a row, most of them broken somewhere, in pieces."""
    data = b"".join(request(rng, caller) for _ in range(rng.choice((1, 1, 1, 2, 3))))
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        at, size = rng.randrange(len(data) + 1), rng.randrange(1, 13)
        at = at if rng.random() < 0.3 else min(at, rng.randrange(300))  # heads are what a parser has most rules for
        data = changed(data, at, rng.choice(KINDS), rng.choice(TOKENS), size)
    return cut(data, [rng.randrange(len(data) + 1) for _ in range(rng.choice((0, 1, 3)))])


def request(rng: Random, caller: Caller) -> bytes:
    dice = rng.random()
    call = caller.call()
    if dice < 0.6:
        return b"".join(call.segments)
    if dice < 0.95:
        return HEAD % call.operation.path.encode() + rng.choice(BODIES)
    return rng.randbytes(rng.choice((1, 50, 5000)))


async def exchange(port: int, sent: Sequence[bytes], end: str) -> bytes:
    """Send it, and return what is answered within a short time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    said = b""
    with contextlib.suppress(OSError):  # the service may end the connection at any byte
        for segment in sent:
            writer.write(segment)
            await asyncio.sleep(0)
        if end == "half-close":
            writer.write_eof()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWERED_S):
                while len(said) < 1 << 20 and (piece := await reader.read(1 << 16)):
                    said += piece
        if end == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
    return said


def is_documented(api: Api, answer: bytes) -> bool:
    """Whether the API may refuse a call so, whatever the call was."""
    words = {(status, word.encode()) for _, status, word in api.may_refuse}
    wrong = [status for status in map(int, STATUS.findall(answer)) if status >= 500]
    return all(
        any(status == allowed and (word in answer or word == b"(unready)") for allowed, word in words)
        for status in wrong
    )


async def lives(api: Api, port: int) -> bool:
    """Whether the service answers its health check."""
    asked = b"GET %s HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n" % api.health.encode()
    asked += b"Authorization: Bearer %s\r\n\r\n" % TOKEN.encode()
    async with asyncio.timeout(LIVES_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(asked)
        status = await reader.readline()
    writer.close()
    return status.startswith(b"HTTP/1.1 200 ")
