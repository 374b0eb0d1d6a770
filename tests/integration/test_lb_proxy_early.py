"""Backends that answer and close before they have read the request: their answer reaches the client all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress

import pytest
import uvloop

from lb.core.settings import RetrySettings, Settings
from lb.proxy.limits import Limits
from tests.support.raw_http import Lab, Peer, Stub, proxy, status_of

SIZE = 3_000_000
"""More than the buffers between client and backend hold, so that the backend closes with bytes unread."""
TIMES = 8
"""Without the mending one request in twenty got its answer."""
REFUSAL = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n"
ONCE = Settings(retry=RetrySettings(hedge=False))

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def refusing(answer: bytes) -> Stub:
    """Judge by the head alone and close with the rest unread: the kernel sends a reset behind the answer."""

    async def script(peer: Peer) -> None:
        await peer.head()
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]  (asyncio's own transport has it)
        peer.writer.write(answer)

    return Stub("api-1", script)


async def refused(lab: Lab, end: bytes, method: bytes = b"POST") -> bytes:
    """What a client gets which goes on sending, and reads meanwhile, up to `end` or where nothing more comes."""
    client = await lab.connect()
    client.writer.write(method + b" / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % SIZE + b"x" * SIZE)
    got = b""
    try:
        async with asyncio.timeout(5):
            while end not in got and (data := await client.reader.read(65536)):
                got += data
    except ConnectionError:
        pass
    client.reset()
    return got


def on(loop: str, test: Callable[[], Coroutine[None, None, None]]) -> None:
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(test())


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("method", [b"POST", b"PUT"])
def test_a_refusal_that_came_before_writing_failed_is_passed_on(loop: str, method: bytes) -> None:
    async def test() -> None:
        async with proxy(refusing(REFUSAL + b"Content-Length: 7\r\n\r\ntoo big"), settings=ONCE) as lab:
            answers = [await refused(lab, b"too big", method) for _ in range(TIMES)]
        assert [status_of(answer) for answer in answers] == [413] * TIMES
        assert all(answer.endswith(b"\r\n\r\ntoo big") for answer in answers)

    on(loop, test)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_long_refusal_and_one_in_chunks_are_passed_on_too(loop: str) -> None:
    page = b"y" * 100_000
    for answer in (
        REFUSAL + b"Content-Length: %d\r\n\r\n%s" % (len(page), page),
        REFUSAL + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(page), page),
    ):

        async def test(answer: bytes = answer) -> None:
            async with proxy(refusing(answer), settings=ONCE) as lab:
                for _ in range(TIMES):
                    assert status_of(await refused(lab, page)) == 413

        on(loop, test)


@pytest.mark.parametrize("loop", LOOPS)
def test_of_a_refusal_that_only_the_end_ends_the_client_sees_what_there_was_and_that_it_was_cut(loop: str) -> None:
    """After a reset nobody can tell whether that was all of it."""

    async def test() -> None:
        async with proxy(refusing(REFUSAL + b"\r\ntoo big"), settings=ONCE) as lab:
            for _ in range(TIMES):
                got = await refused(lab, b"0\r\n\r\n")
                assert status_of(got) == 413
                assert b"7\r\ntoo big\r\n" in got

    on(loop, test)


@pytest.mark.parametrize("loop", LOOPS)
def test_what_a_tcp_backend_says_before_it_closes_unread_reaches_the_client(loop: str) -> None:
    async def test() -> None:
        async with proxy(refusing(b"go away\r\n\r\n")) as lab:
            listener = await asyncio.get_running_loop().create_server(lambda: lab.server.tcp(None), "127.0.0.1", 0)
            port = listener.sockets[0].getsockname()[1]
            for _ in range(TIMES):
                client = Peer(*await asyncio.open_connection("127.0.0.1", port))
                client.writer.write(b"hello\r\n\r\n" + b"x" * SIZE)
                assert await client.until(b"go away\r\n\r\n")
                client.reset()
            listener.close()

    on(loop, test)


async def test_the_rest_of_a_request_that_is_refused_goes_no_further() -> None:
    """RFC 9112 §9.5. The client may go on, and is read, so that it gets to its answer."""
    received = 0
    answered, go = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        nonlocal received
        await peer.head()
        await peer.send(REFUSAL + b"Content-Length: 100000\r\n\r\n" + b"y" * 10)
        answered.set()
        reading = asyncio.create_task(count(peer))
        await go.wait()
        await peer.send(b"y" * 99_990)
        await reading

    async def count(peer: Peer) -> None:
        nonlocal received
        while data := await peer.reader.read(65536):
            received += len(data)

    async with proxy(Stub("api-1", script), settings=ONCE) as lab:
        client = await lab.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n")
        assert status_of(await client.head()) == 413
        await client.exactly(10)
        for _ in range(40):
            client.writer.write(b"x" * 500_000)
        async with asyncio.timeout(5):
            await client.writer.drain()
        go.set()
        assert await client.exactly(99_990) == b"y" * 99_990
        client.close()
    assert received == 0


async def trickled(client: Peer) -> bool:
    """Send one more byte, in a moment."""
    await client.send(b"x")
    await asyncio.sleep(0.05)
    return True


async def test_a_client_that_still_sends_is_waited_for_with_a_total() -> None:
    stub = refusing(REFUSAL + b"Content-Length: 0\r\n\r\n")
    async with proxy(stub, settings=ONCE, limits=Limits(linger=0.4, linger_total=0.8)) as lab:
        client = await lab.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n")
        assert status_of(await client.head()) == 413
        assert await client.to_end() == b"", "the answer says that it ends, and so does the connection"
        started = asyncio.get_running_loop().time()
        async with asyncio.timeout(5):
            with suppress(ConnectionError):
                while await trickled(client):
                    pass
        assert asyncio.get_running_loop().time() - started > 0.5, "each byte asked for a little more time"
