"""The data plane with a real balancer, real sockets, and backends that say exactly what the test wants."""

from __future__ import annotations

import asyncio
import time

from lb.core.settings import RetrySettings, Settings
from lb.proxy.limits import Limits
from tests.support.raw_http import OK, Peer, Stub, answering, proxy, status_of, value_of

GET = b"GET /a?b=c HTTP/1.1\r\nHost: example.test\r\n\r\n"


async def test_a_request_passes_with_its_path_and_fields_and_says_who_answered() -> None:
    stub = Stub("api-1", answering())

    async def script(peer: Peer) -> None:
        await stub.request(peer)
        await peer.send(OK)

    stub.script = script
    async with proxy(stub) as lab:
        head, body = await lab.exchange(b"GET /a?b=c HTTP/1.1\r\nHost: example.test\r\nX-CaSe: Kept\r\n\r\n")

    assert status_of(head) == 200
    assert body == b"ok"
    assert value_of(head, b"x-backend") == b"api-1"
    assert value_of(head, b"x-tried") == b"api-1"
    assert b'attempts;desc="1"' in (value_of(head, b"server-timing") or b"")
    sent = stub.heads[0]
    assert sent.startswith(b"GET /a?b=c HTTP/1.1\r\nHost: example.test\r\n")
    assert b"X-CaSe: Kept\r\n" in sent
    assert value_of(sent, b"x-forwarded-for") == b"127.0.0.1"
    assert value_of(sent, b"x-request-id") == value_of(head, b"x-request-id")
    # After the per-try time-out nobody waits for this backend any more, though the exchange itself may go on elsewhere.
    waited_for = float(value_of(sent, b"x-deadline") or b"0") - time.time()
    assert 0.0 < waited_for <= RetrySettings().per_try_timeout + 0.001  # it is told in whole milliseconds


async def test_both_sides_keep_their_connections_alive() -> None:
    stub = Stub("api-1", answering())
    async with proxy(stub) as lab:
        client = await lab.connect()
        for _ in range(5):
            await client.send(GET)
            assert status_of((await client.response())[0]) == 200
        client.close()

    assert stub.connections == 1
    assert [record.error for record in lab.records] == [""] * 5


async def test_pipelined_requests_are_answered_in_order() -> None:
    async def script(peer: Peer) -> None:
        while True:
            head = await peer.head()
            path = head.split(b" ")[1]
            await asyncio.sleep(0.03 if path == b"/0" else 0)  # the first one is the slowest
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(path), path))

    async with proxy(Stub("api-1", script)) as lab:
        client = await lab.connect()
        await client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(20)))
        bodies = [(await client.response())[1] for _ in range(20)]
        client.close()

    assert bodies == [b"/%d" % number for number in range(20)]


async def test_one_mebibyte_goes_up_and_comes_back() -> None:
    body = bytes(range(256)) * 4096

    async def script(peer: Peer) -> None:
        head = await peer.head()
        size = int(value_of(head, b"content-length") or b"0")
        received = await peer.exactly(size)
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (size, received))

    async with proxy(Stub("api-1", script)) as lab:
        head, received = await lab.exchange(
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )

    assert status_of(head) == 200
    assert received == body
    assert (lab.records[0].bytes_in, lab.records[0].bytes_out) == (len(body), len(body))


async def test_chunks_and_trailers_pass_both_ways() -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.head())
        seen.append(await peer.until(b"\r\n\r\n"))
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nETag: 9\r\n\r\n")

    async with proxy(Stub("api-1", script)) as lab:
        client = await lab.connect()
        await client.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nDigest: 1\r\n\r\n"
        )
        head = await client.head()
        body = await client.until(b"\r\n\r\n")
        client.close()

    assert value_of(seen[0], b"transfer-encoding") == b"chunked"
    assert seen[1] == b"3\r\nabc\r\n0\r\nDigest: 1\r\n\r\n"
    assert value_of(head, b"transfer-encoding") == b"chunked"
    assert body == b"5\r\nhello\r\n0\r\nETag: 9\r\n\r\n"


async def test_head_204_and_304_have_no_body_and_keep_the_connection() -> None:
    async def script(peer: Peer) -> None:
        while True:
            head = await peer.head()
            if head.startswith(b"HEAD"):
                await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            elif b"/204" in head:
                await peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")
            else:
                await peer.send(b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 7\r\n\r\n')

    stub = Stub("api-1", script)
    async with proxy(stub) as lab:
        client = await lab.connect()
        await client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        head = await client.head()
        assert value_of(head, b"content-length") == b"1000"
        await client.send(b"GET /204 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert status_of(await client.head()) == 204
        await client.send(b"GET /304 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert status_of(await client.head()) == 304
        await client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert status_of(await client.head()) == 200
        client.close()

    assert stub.connections == 1


async def test_an_answer_that_lasts_until_eof_becomes_chunked() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
        peer.close()

    async with proxy(Stub("api-1", script)) as lab:
        client = await lab.connect()
        await client.send(GET)
        head = await client.head()
        body = await client.until(b"0\r\n\r\n")
        client.close()

    assert value_of(head, b"transfer-encoding") == b"chunked"
    assert body == b"d\r\nuntil the end\r\n0\r\n\r\n"


async def test_an_http_1_0_client_gets_plain_bytes_and_the_end_of_the_connection() -> None:
    async def script(peer: Peer) -> None:
        head = await peer.head()
        assert value_of(head, b"host") is not None
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")

    async with proxy(Stub("api-1", script)) as lab:
        client = await lab.connect()
        await client.send(b"GET / HTTP/1.0\r\n\r\n")
        head, _, body = (await client.to_end()).partition(b"\r\n\r\n")

    assert value_of(head, b"transfer-encoding") is None
    assert value_of(head, b"connection") == b"close"
    assert body == b"abcdef"


async def test_an_http_1_0_client_may_keep_its_connection() -> None:
    async with proxy(Stub("api-1", answering())) as lab:
        client = await lab.connect()
        for _ in range(2):
            await client.send(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
            head, _ = await client.response()
            assert value_of(head, b"connection") == b"keep-alive"
        client.close()


async def test_100_continue_is_the_backends_word_not_ours() -> None:
    invite = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await invite.wait()
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await peer.exactly(4)
        await peer.send(b"HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\n" + body)

    async with proxy(Stub("api-1", script)) as lab:
        client = await lab.connect()
        await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        first = asyncio.create_task(client.head())
        done, _ = await asyncio.wait([first], timeout=0.1)  # long enough for an invented one to arrive
        assert not done
        invite.set()
        assert status_of(await first) == 100
        await client.send(b"body")
        head, body = await client.response()
        client.close()

    assert (status_of(head), body) == (201, b"body")


async def test_an_early_answer_arrives_while_the_body_is_still_coming() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
        await peer.ended()

    async with proxy(Stub("api-1", script)) as lab:
        client = await lab.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nsome of it")
        head, body = await client.response()
        assert (status_of(head), body) == (413, b"no")
        assert value_of(head, b"connection") == b"close"
        assert await client.ended()


async def test_a_small_body_that_follows_its_head_goes_out_with_it_and_has_a_deadline() -> None:
    stub = Stub("api-1", answering())

    async def script(peer: Peer) -> None:
        await stub.request(peer)
        assert await peer.exactly(3) == b"abc"
        await peer.send(OK)

    stub.script = script
    async with proxy(stub, limits=Limits(gather=5.0)) as lab:
        client = await lab.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n")
        await lab.settled(lambda: any(ours._reader.queue for ours in lab.server._plane.clients), "the head was read")
        await client.send(b"abc")
        assert status_of((await client.response())[0]) == 200
        client.close()

    assert value_of(stub.heads[0], b"x-deadline") is not None


async def test_a_slow_upload_is_streamed_and_not_blamed_on_the_backend() -> None:
    received = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        assert await peer.exactly(3) == b"abc"
        received.set()
        assert await peer.exactly(3) == b"def"
        await peer.send(OK)

    async with proxy(Stub("api-1", script)) as lab:
        client = await lab.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        await asyncio.wait_for(received.wait(), 5)
        await asyncio.sleep(1.2)  # beyond the per-try time-out, which must not run while the client is the slow one
        await client.send(b"def")
        assert status_of((await client.response())[0]) == 200
        client.close()


async def test_after_a_slow_upload_the_backends_own_time_begins() -> None:
    received = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.exactly(3)
        received.set()
        await peer.ended()

    settings = Settings(retry=RetrySettings(per_try_timeout=0.1, hedge=False))
    async with proxy(Stub("api-1", script), settings=settings) as lab:
        client = await lab.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        await asyncio.wait_for(received.wait(), 5)
        await asyncio.sleep(0.3)  # the first per-try time-out has passed, and was not the backend's fault
        await client.send(b"def")
        assert status_of((await client.response())[0]) == 504
        client.close()


async def test_a_client_that_leaves_frees_the_backend() -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.ended()
        gone.set()

    async with proxy(Stub("api-1", script)) as lab:
        client = await lab.connect()
        await client.send(GET)
        await lab.settled(lambda: lab.backends["api-1"].in_flight == 1, "the attempt started")
        client.close()
        await asyncio.wait_for(gone.wait(), 5)
        assert lab.backends["api-1"].in_flight == 0
        assert lab.records[-1].error == "client_gone"


async def test_a_client_that_does_not_read_stops_the_backend_from_sending() -> None:
    chunk, chunks = b"x" * 65536, 1024
    written = 0

    async def script(peer: Peer) -> None:
        nonlocal written
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (chunks * len(chunk)))
        for _ in range(chunks):
            await peer.send(chunk)
            written += len(chunk)

    async with proxy(Stub("api-1", script)) as lab:
        client = await lab.connect()
        await client.send(GET)
        last = -1
        while written != last:
            last = written
            await asyncio.sleep(0.2)
        # What is out is in four socket buffers of the kernel (at most 6 MiB each) and in ours: two segments.
        assert written < chunks * len(chunk) / 2
        (ours,) = lab.server._plane.clients
        assert ours._transport.get_write_buffer_size() < 1024 * 1024
        await client.head()
        left = chunks * len(chunk)
        while left:
            left -= len(await asyncio.wait_for(client.reader.read(1024 * 1024), 5))
        client.close()


async def test_a_backend_that_does_not_read_stops_the_client_from_sending() -> None:
    go = asyncio.Event()
    size = 64 * 1024 * 1024

    async def script(peer: Peer) -> None:
        await peer.head()
        await go.wait()
        left = size
        while left:
            left -= len(await peer.reader.read(1024 * 1024))
        await peer.send(OK)

    async with proxy(Stub("api-1", script)) as lab:
        client = await lab.connect()
        client.writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
        client.writer.write(b"x" * size)
        last = -1
        while (unsent := client.writer.transport.get_write_buffer_size()) != last:
            last = unsent
            await asyncio.sleep(0.2)
        assert unsent > size / 2, "the rest waits with the client, not in the balancer"
        (ours,) = lab.server._plane.clients
        incoming = ours._reader.incoming
        assert incoming is not None
        assert incoming.buffered < 1024 * 1024
        go.set()
        assert status_of((await client.response())[0]) == 200
        client.close()


async def test_stopping_finishes_what_is_in_flight_and_ends_idle_connections() -> None:
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await go.wait()
        await peer.send(OK)
        await peer.ended()

    async with proxy(Stub("api-1", script), shutdown_timeout=5.0) as lab:
        idle, busy = await lab.connect(), await lab.connect()
        await busy.send(GET)
        await lab.settled(lambda: lab.server.requests == 1, "the request is under way")
        stopping = asyncio.create_task(lab.runner.cleanup())
        assert await idle.ended()
        go.set()
        head, body = await busy.response()
        assert (status_of(head), body) == (200, b"ok")
        assert value_of(head, b"connection") == b"close"
        await asyncio.wait_for(stopping, 5)


async def test_a_client_that_half_closes_after_its_request_counts_as_gone() -> None:
    """As in nginx: a client that died sends the same FIN (docs/data-plane.md)."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.to_end()  # never answers: only the end of the client ends this exchange

    async with proxy(Stub("api-1", script)) as lab:
        client = await lab.connect()
        await client.send(b"GET /x HTTP/1.0\r\nHost: a\r\n\r\n")
        await lab.settled(lambda: lab.backends["api-1"].in_flight == 1, "the request reached the backend")
        client.writer.write_eof()
        assert await client.to_end() == b""
        await lab.settled(lambda: bool(lab.records), "the request was recorded")

    assert lab.backends["api-1"].in_flight == 0
    assert lab.records[0].error == "client_gone"
