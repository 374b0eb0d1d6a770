"""Bodies under way: who leaves when, what is cut and looks it, and what the other side notices of it."""

from __future__ import annotations

import asyncio

import pytest

from lb.core.settings import RetrySettings, Settings
from lb.proxy.limits import Limits
from tests.support.raw_http import OK, Peer, Stub, answering, proxy, status_of, value_of

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
QUICK = Settings(retry=RetrySettings(hedge=False))


async def test_a_final_answer_instead_of_100_continue_arrives_and_ends_the_connection() -> None:
    """The client has not sent its body and will not: what it sends next could be either, so there is no next."""
    stub = Stub("api-1", answering(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"))

    async def script(peer: Peer) -> None:
        assert value_of(await stub.request(peer), b"expect") == b"100-continue"
        await peer.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
        assert await peer.to_end() == b"", "no byte of a body"

    stub.script = script
    async with proxy(stub) as lab:
        client = await lab.connect()
        await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        head, body = await client.response()
        assert (status_of(head), body) == (401, b"no")
        assert value_of(head, b"connection") == b"close"
        assert await client.to_end() == b""


async def test_an_http_1_0_client_expects_nothing() -> None:
    stub = Stub("api-1", answering())

    async def script(peer: Peer) -> None:
        await stub.request(peer)
        assert await peer.exactly(4) == b"body"
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)

    stub.script = script
    async with proxy(stub) as lab:
        client = await lab.connect()
        await client.send(b"PUT / HTTP/1.0\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nbody")
        answer = await client.to_end()
        assert status_of(answer) == 200, "HTTP/1.0 knows no 1xx"
        assert answer.endswith(b"\r\n\r\nok")
    assert value_of(stub.heads[0], b"expect") is None


@pytest.mark.parametrize(
    "sent",
    [GET, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nsome of it"],
    ids=["inside the answer", "inside the upload"],
)
async def test_a_client_that_aborts_ends_the_work_upstream(sent: bytes) -> None:
    reached, gone = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        if sent is GET:
            await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        reached.set()
        await peer.ended()
        gone.set()

    async with proxy(Stub("api-1", script)) as lab:
        client = await lab.connect()
        await client.send(sent)
        async with asyncio.timeout(5):
            await reached.wait()
            if sent is GET:
                await client.until(b"abc")
            client.reset()
            await gone.wait()
        await lab.settled(lambda: lab.backends["api-1"].in_flight == 0, "the backend is free")
        assert [record.error for record in lab.records] == ["client_gone"]


async def test_a_client_that_never_reads_is_given_up_and_so_is_its_backend() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await peer.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    async with proxy(Stub("api-1", script), limits=Limits(slow_reader=0.3)) as lab:
        client = await lab.connect()
        await client.send(GET)
        await lab.settled(lambda: any(ours.blocked for ours in lab.server._plane.clients), "back-pressure")
        await lab.settled(lambda: not lab.server._plane.clients, "its connection is closed")
        await lab.settled(lambda: lab.backends["api-1"].in_flight == 0, "the backend is free")
        client.close()


async def test_a_tunnels_client_that_never_reads_does_not_outlive_its_tunnel() -> None:
    """The bytes for it wait in our buffer: they must not keep the socket for ever once the backend is gone."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(SWITCH + b"x" * 16 * 1024 * 1024)

    transports: list[asyncio.Transport] = []
    async with proxy(Stub("api-1", script), limits=Limits(slow_reader=0.3, tunnel_idle=0.3)) as lab:
        client = await lab.connect()
        await client.send(UPGRADE)
        await lab.settled(lambda: bool(lab.server._plane.tunnels), "the tunnel is open")
        (tunnel,) = lab.server._plane.tunnels
        assert tunnel._ends is not None
        transports.append(tunnel._ends[0].transport)
        await lab.settled(lambda: not lab.server._plane.tunnels, "the tunnel is over")
        await lab.settled(lambda: transports[0].get_write_buffer_size() == 0, "its buffer is gone")
        client.close()


async def test_pipelined_requests_of_every_shape_are_answered_in_order() -> None:
    async def script(peer: Peer) -> None:
        while True:
            head = await peer.head()
            body = await peer.exactly(int(value_of(head, b"content-length") or b"0"))
            if value_of(head, b"transfer-encoding"):
                body = (await peer.until(b"0\r\n\r\n")).split(b"\r\n")[1]
            said = head.split(b" ")[1] + b"=" + body
            await peer.send(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
                % (len(said), b"" if head.startswith(b"HEAD") else said)
            )

    async with proxy(Stub("api-1", script)) as lab:
        client = await lab.connect()
        await client.send(
            b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
            b"HEAD /22 HTTP/1.1\r\nHost: a\r\n\r\n"
            b"POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwxyz\r\n0\r\n\r\n"
            b"GET /4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        assert (await client.response())[1] == b"/1=abc"
        assert value_of(await client.head(), b"content-length") == b"4"
        assert (await client.response())[1] == b"/3=wxyz"
        head, body = await client.response()
        assert body == b"/4="
        assert value_of(head, b"connection") == b"close"
        assert await client.to_end() == b""
    assert len(lab.records) == 4


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b""],
    ids=["with a length", "chunked", "without framing"],
)
async def test_an_answer_to_head_ends_with_its_head_whatever_that_says(head: bytes) -> None:
    """A backend that sends the body all the same loses its connection, not the next client its answer."""
    good, bad = Stub("api-1", answering(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")), Stub("api-1", answering())
    bad.script = answering(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n3\r\nabc\r\n0\r\n\r\n")
    for stub in (good, bad):
        async with proxy(stub) as lab:
            client = await lab.connect()
            for _ in range(2):
                await client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert status_of(await client.head()) == 200
            client.close()
            await lab.settled(lambda: len(lab.records) == 2, "both are told")
            assert [record.bytes_out for record in lab.records] == [0, 0]
    assert bad.connections == 2


@pytest.mark.parametrize(
    "broken",
    [b"zz\r\n", b"3\r\nabcd\r\n", b"3\nabc\r\n", b"0\r\nX : a\r\n\r\n", b"0\r\n" + b"X: y\r\n" * 9000],
    ids=["size", "data", "bare LF", "trailer", "endless trailers"],
)
async def test_an_answer_that_breaks_after_its_start_is_cut_short(broken: bytes) -> None:
    """The head is out, so only the missing last chunk can tell."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await started.wait()
        await peer.send(broken)
        await peer.ended()

    started = asyncio.Event()
    async with proxy(Stub("api-1", script), settings=QUICK) as lab:
        client = await lab.connect()
        await client.send(GET)
        await client.until(b"3\r\nabc\r\n")
        started.set()
        rest = await client.to_end()
        assert b"0\r\n\r\n" not in rest
        assert b"X" not in rest
        await lab.settled(lambda: bool(lab.records), "it is told")
        assert lab.records[0].error == "truncated"


async def test_fields_that_do_not_belong_into_trailers_go_no_further() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
    async with proxy(Stub("api-1", answering(chunked + b"Content-Length: 9\r\n\r\n"))) as lab:
        assert status_of((await lab.exchange(GET))[0]) == 502
    stub = Stub("api-1", answering(chunked + b"Host: b\r\n\r\n"))
    async with proxy(stub) as lab:
        client = await lab.connect()
        for _ in range(2):
            await client.send(GET)
            await client.head()
            assert await client.until(b"\r\n\r\n") == b"3\r\nabc\r\n0\r\n\r\n"
        client.close()
    assert stub.connections == 2, "such a connection is not used again"


async def test_trailers_that_never_end_are_refused_before_they_cost_memory() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.ended()

    async with proxy(Stub("api-1", script)) as lab:
        client = await lab.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n")
        await lab.settled(lambda: lab.server.requests == 1, "the request is under way")
        for _ in range(100):
            client.writer.write(b"X-Trailer: %s\r\n" % (b"y" * 1000))
        head, _ = await client.response()
        assert (status_of(head), value_of(head, b"x-lb-error")) == (431, b"trailers")
        assert await client.ended()


async def test_a_backends_connection_field_removes_what_it_names_but_never_the_framing() -> None:
    stub = Stub(
        "api-1",
        answering(
            b"HTTP/1.1 200 OK\r\nConnection: content-length, x-hop\r\nKeep-Alive: 5\r\nX-Hop: 1\r\nX-Stay: 1\r\n"
            b"Proxy-Connection: keep-alive\r\nContent-Length: 2\r\n\r\nok"
        ),
    )
    async with proxy(stub) as lab:
        head, body = await lab.exchange(GET)

    assert body == b"ok"
    assert value_of(head, b"x-stay") == b"1"
    assert value_of(head, b"via") == b"1.1 reroute"
    for gone in (b"connection", b"keep-alive", b"x-hop", b"proxy-connection"):
        assert value_of(head, gone) is None


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /canary HTTP/1.1\r\nHost: canary\r\nX-Canary : canary\r\n\r\n",
        b"CANARY /canary HTTP/1.1\r\nHost: canary\r\nX-Request-Id: canary\r\n\r\n",
        b"GET /canary HTTP/1.1\r\nHost: canary/canary\r\nX-Request-Id: canary\r\n\r\n",
        b"PUT /canary HTTP/1.1\r\nHost: canary\r\nExpect: canary\r\nContent-Length: 1\r\n\r\n",
        b"canary\r\n\r\n",
    ],
    ids=["field", "method", "host", "expectation", "nonsense"],
)
async def test_a_refusal_repeats_nothing_of_what_it_refuses(sent: bytes) -> None:
    async with proxy(Stub("api-1", answering())) as lab:
        client = await lab.connect()
        await client.send(sent)
        answer = await client.to_end()
    assert status_of(answer) >= 400
    assert b"canary" not in answer.lower()


async def test_what_belongs_to_one_hop_is_said_anew_on_the_next_and_our_own_words_are_ours() -> None:
    stub = Stub("api-1", answering())

    async def script(peer: Peer) -> None:
        await stub.request(peer)
        await peer.send(OK)

    stub.script = script
    async with proxy(stub) as lab:
        head, _ = await lab.exchange(
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: TE, x-forwarded-for, via\r\nTE: trailers, gzip\r\n"
            b"Via: 1.0 edge\r\nX-Deadline: 1\r\nProxy-Authorization: Basic x\r\nX-Forwarded-Port: 9\r\n"
            b"X-Request-Id: mine-1\r\n\r\n"
        )

    sent = stub.heads[0]
    assert (value_of(sent, b"te"), value_of(sent, b"connection")) == (b"trailers", b"TE")
    assert value_of(sent, b"x-forwarded-for") == b"127.0.0.1", "Connection cannot remove what we add"
    assert value_of(sent, b"via") == b"1.1 reroute"
    assert float(value_of(sent, b"x-deadline") or b"0") > 1_000_000_000
    for gone in (b"proxy-authorization", b"x-forwarded-port"):
        assert value_of(sent, gone) is None
    assert value_of(sent, b"x-request-id") == value_of(head, b"x-request-id") == b"mine-1"
