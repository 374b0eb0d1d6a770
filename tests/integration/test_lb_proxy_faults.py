"""What a client sees when a backend dies, hangs, slows down or breaks HTTP: a whole answer, or an honest failure."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from lb.core.backend import State
from lb.core.settings import RetrySettings, Settings
from lb.proxy.limits import Limits
from tests.support.raw_http import OK, Peer, Script, Stub, answering, proxy, resetting, silent, status_of, value_of

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nwork"

QUICK = Settings(retry=RetrySettings(per_try_timeout=0.15, total_timeout=1.0, connect_timeout=0.1, hedge=False))
"""Time-outs short enough for a test and long enough for a busy host; no hedges, so that each test has one cause."""

HEDGING = replace(QUICK, retry=replace(QUICK.retry, per_try_timeout=3.0, total_timeout=5.0, hedge=True))


def first_then(first: Script, rest: Script) -> Script:
    """A script whose first connection differs."""
    seen = 0

    async def script(peer: Peer) -> None:
        nonlocal seen
        seen += 1
        await (first if seen == 1 else rest)(peer)

    return script


async def test_a_get_whose_backend_resets_is_answered_by_another() -> None:
    async with proxy(Stub("api-1", resetting), Stub("api-2", answering()), settings=QUICK) as lab:
        head, body = await lab.exchange(GET)

    assert (status_of(head), body) == (200, b"ok")
    assert value_of(head, b"x-tried") == b"api-1,api-2"
    assert value_of(head, b"x-backend") == b"api-2"
    assert b'attempts;desc="2"' in (value_of(head, b"server-timing") or b"")


async def test_a_post_that_was_sent_is_not_sent_twice() -> None:
    other = Stub("api-2", answering())
    async with proxy(Stub("api-1", resetting), other, settings=QUICK) as lab:
        head, _ = await lab.exchange(POST)

    assert status_of(head) == 502
    assert value_of(head, b"x-lb-error") == b"reset"
    assert other.connections == 0


async def test_a_backend_that_cuts_what_it_had_just_served_gets_no_post_until_it_has_answered_something() -> None:
    """What accepts for it may live on (a relay, a sidecar), so that only the connections it had tell of its end."""
    dying = Stub("api-1", first_then(answering(), resetting))
    async with proxy(dying, Stub("api-2", answering()), settings=QUICK) as lab:
        assert value_of((await lab.exchange(GET))[0], b"x-backend") == b"api-1"
        dying.peers[0].close()
        await lab.settled(lambda: lab.backends["api-1"].unreliable, "the balancer sees its connection end")

        for _ in range(4):
            head, _ = await lab.exchange(POST)
            assert value_of(head, b"x-tried") == b"api-2"


async def test_a_connection_that_ends_after_a_long_rest_says_nothing_of_its_backend() -> None:
    rested = Stub("api-1", answering())
    async with proxy(rested, settings=QUICK) as lab:
        await lab.exchange(GET)
        (connection,) = lab.server._plane.pool._idle[lab.backends["api-1"]]
        connection.idle_since -= 5.0
        rested.peers[0].close()
        await lab.settled(lambda: lab.server._plane.pool.idle(lab.backends["api-1"]) == 0, "it is forgotten")
        assert not lab.backends["api-1"].unreliable


async def test_a_post_with_an_idempotency_key_is_repeated_with_its_body() -> None:
    async def echo(peer: Peer) -> None:
        head = await peer.head()
        body = await peer.exactly(int(value_of(head, b"content-length") or b"0"))
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    async with proxy(Stub("api-1", resetting), Stub("api-2", echo), settings=QUICK) as lab:
        head, body = await lab.exchange(POST.replace(b"Host: a", b"Host: a\r\nIdempotency-Key: 1"))

    assert (status_of(head), body) == (200, b"work")


async def test_a_post_that_could_not_connect_is_tried_elsewhere() -> None:
    dead = Stub("api-1", silent)
    async with proxy(dead, Stub("api-2", answering()), settings=QUICK) as lab:
        await dead.stop()
        head, body = await lab.exchange(POST)

    assert (status_of(head), body) == (200, b"ok")
    assert value_of(head, b"x-tried") == b"api-1,api-2"


async def test_a_black_hole_is_left_after_the_connect_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as hole:
        # A full listen backlog drops SYNs: on loopback, the nearest thing to a host that is gone.
        full = [socket.socket() for _ in range(4)]
        for sock in full:
            sock.setblocking(False)
            sock.connect_ex(hole.getsockname())
        dead = Stub("api-1", silent)
        async with proxy(dead, Stub("api-2", answering()), settings=QUICK) as lab:
            lab.backends["api-1"].port = hole.getsockname()[1]
            head, _ = await lab.exchange(POST)
        for sock in full:
            sock.close()

    assert status_of(head) == 200
    assert value_of(head, b"x-tried") == b"api-1,api-2"


async def test_a_silent_backend_costs_a_get_one_time_out_and_a_post_an_honest_504() -> None:
    async with proxy(Stub("api-1", silent), Stub("api-2", answering()), settings=QUICK) as lab:
        head, _ = await lab.exchange(GET)
        assert value_of(head, b"x-tried") == b"api-1,api-2"

    async with proxy(Stub("api-1", silent), settings=QUICK) as lab:
        head, _ = await lab.exchange(POST)
        assert status_of(head) == 504
        assert value_of(head, b"x-lb-error") == b"timeout"
        assert lab.backends["api-1"].in_flight == 0


async def test_a_stalled_get_is_hedged_and_the_loser_is_dropped() -> None:
    dropped = asyncio.Event()

    async def stalled(peer: Peer) -> None:
        await peer.head()
        await peer.ended()
        dropped.set()

    async with proxy(Stub("api-1", stalled), Stub("api-2", answering()), settings=HEDGING) as lab:
        started = asyncio.get_running_loop().time()
        head, body = await lab.exchange(GET)
        took = asyncio.get_running_loop().time() - started
        await asyncio.wait_for(dropped.wait(), 5)

    assert (status_of(head), body) == (200, b"ok")
    assert value_of(head, b"x-tried") == b"api-1,api-2"
    assert took < 2.0  # the per-try time-out is 3 s: only the hedge can have answered
    assert lab.backends["api-1"].in_flight == 0


async def test_a_gateway_error_is_tried_elsewhere() -> None:
    bad = answering(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy")
    async with proxy(Stub("api-1", bad), Stub("api-2", answering()), settings=QUICK) as lab:
        head, body = await lab.exchange(GET)

    assert (status_of(head), body) == (200, b"ok")


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc", b"abc"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"3\r\nabc\r\n"),
    ],
    ids=["length", "chunked"],
)
async def test_a_backend_that_dies_inside_its_answer_leaves_it_visibly_short(start: bytes, end: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(start)
        peer.close()

    async with proxy(Stub("api-1", script), Stub("api-2", answering()), settings=QUICK) as lab:
        client = await lab.connect()
        await client.send(GET)
        _, _, body = (await client.to_end()).partition(b"\r\n\r\n")

    assert body == end
    assert lab.records[0].error == "truncated"


async def test_an_answer_to_http_1_0_that_is_cut_ends_with_a_reset() -> None:
    """Until EOF is the only framing HTTP/1.0 has here, so that a clean EOF would say: this is all of it."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await peer.until(b"never")

    stub = Stub("api-1", script)
    async with proxy(stub, settings=QUICK) as lab:
        client = await lab.connect()
        await client.send(b"GET / HTTP/1.0\r\n\r\n")
        await client.until(b"abc")
        await stub.stop()
        with pytest.raises(ConnectionResetError):
            await client.to_end()


async def half_a_small_answer(peer: Peer) -> None:
    await peer.head()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")


async def test_a_small_answer_that_is_cut_is_fetched_elsewhere() -> None:
    """The client has seen nothing of it yet, so a GET is repeated; a POST is not, but its failure is a whole answer."""

    async def script(peer: Peer) -> None:
        await half_a_small_answer(peer)
        peer.close()

    async with proxy(Stub("api-1", script), Stub("api-2", answering()), settings=QUICK) as lab:
        head, body = await lab.exchange(GET)
        assert (status_of(head), body) == (200, b"ok")
        assert value_of(head, b"x-tried") == b"api-1,api-2"
    async with proxy(Stub("api-1", script), Stub("api-2", answering()), settings=QUICK) as lab:
        head, _ = await lab.exchange(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        assert status_of(head) == 502


async def test_a_backend_that_freezes_between_head_and_body_is_a_stall_like_any_other() -> None:
    async def script(peer: Peer) -> None:
        await half_a_small_answer(peer)
        await peer.ended()

    async with proxy(Stub("api-1", script), Stub("api-2", answering())) as lab:
        head, body = await lab.exchange(GET)
        assert (status_of(head), body) == (200, b"ok")
        assert value_of(head, b"x-tried") == b"api-1,api-2"


async def test_a_small_answer_that_takes_its_time_is_passed_on_as_it_comes() -> None:
    seen = asyncio.Event()

    async def script(peer: Peer) -> None:
        await half_a_small_answer(peer)
        await seen.wait()
        await peer.send(b"def")

    async with proxy(Stub("api-1", script), settings=QUICK, limits=Limits(gather_answer=0.02)) as lab:
        client = await lab.connect()
        await client.send(GET)
        await client.head()
        assert await client.exactly(3) == b"abc"
        seen.set()
        assert await client.exactly(3) == b"def"
        client.close()


async def test_a_backend_that_stops_inside_its_answer_is_given_up() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc")
        await peer.ended()

    async with proxy(Stub("api-1", script), settings=QUICK, limits=Limits(upstream_stall=0.1)) as lab:
        client = await lab.connect()
        await client.send(GET)
        assert (await client.to_end()).endswith(b"abc")
        assert lab.backends["api-1"].in_flight == 0


BAD_ANSWERS = {
    "both framings": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    "length list": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
    "length 0x2": b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok",
    "empty length": b"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nok",
    "length beyond 64 bits": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok",
    "xchunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked, gzip": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "gzip, chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "NUL in a value": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok",
    "bare CR in a value": b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 2\r\n\r\nok",
    "space in a name": b"HTTP/1.1 200 OK\r\nX Y: a\r\nContent-Length: 2\r\n\r\nok",
    "missing colon": b"HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 2\r\n\r\nok",
    "leading space": b"HTTP/1.1 200 OK\r\n X: a\r\nContent-Length: 2\r\n\r\nok",
    "status of letters": b"HTTP/1.1 2OO OK\r\nContent-Length: 2\r\n\r\nok",
    "status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
    "bad first chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nok\r\n0\r\n\r\n",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
    "coding twice": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding in 1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "version 2": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "status 99": b"HTTP/1.1 099 Huh\r\nContent-Length: 2\r\n\r\nok",
    "status 600": b"HTTP/1.1 600 Huh\r\nContent-Length: 2\r\n\r\nok",
    "status 999": b"HTTP/1.1 999 Request denied\r\nContent-Length: 2\r\n\r\nok",
    "RTSP": b"RTSP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "ICE": b"ICE/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "RTSP 1.1 behind an empty line": b"\r\nRTSP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "ICY": b"ICY 200 OK\r\n\r\nok",
    "banner": b"SSH-2.0-OpenSSH_9.2\r\n",
    "obs-fold": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok",
    "space before a length's colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
    "no HTTP": b"hello\r\n\r\n",
    "switch to nothing": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "unasked switch": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "head too large": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 40_000 + b"\r\nContent-Length: 2\r\n\r\nok",
    "too many fields": b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 101 + b"Content-Length: 2\r\n\r\nok",
}


async def test_a_good_answer_right_behind_a_bad_one_does_not_stand_in_for_it() -> None:
    """Found by tests/fuzz: the client got the second head with both bodies, two bytes announced and five sent."""
    bad = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    async with proxy(Stub("api-1", answering(bad + OK)), settings=QUICK) as lab:
        head, _ = await lab.exchange(GET)
    assert (status_of(head), value_of(head, b"x-lb-error")) == (502, b"bad_response")


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
async def test_an_answer_that_breaks_http_is_not_forwarded(answer: bytes) -> None:
    stub = Stub("api-1", answering(answer))
    async with proxy(stub, settings=QUICK) as lab:
        head, body = await lab.exchange(GET)
        assert status_of(head) == 502
        assert value_of(head, b"x-lb-error") == b"bad_response"
        assert body == b"502 Bad Gateway\n"
        await lab.exchange(GET)

    assert stub.connections == 2, "the connection must not be used again"


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
@pytest.mark.parametrize("method", [b"GET", b"DELETE"])
async def test_whatever_is_wrong_with_an_answer_its_request_is_executed_once(method: bytes, answer: bytes) -> None:
    stubs = [Stub("api-1", answering(answer)), Stub("api-2", answering(answer))]
    async with proxy(*stubs, settings=QUICK) as lab:
        head, _ = await lab.exchange(method + b" / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert status_of(head) == 502
    assert value_of(head, b"x-tried") == b"api-1"
    assert sum(stub.connections for stub in stubs) == 1


@pytest.mark.parametrize(
    "surplus",
    [b"X", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"],
    ids=["a byte", "the start of an answer", "a second answer"],
)
async def test_surplus_after_an_answer_never_reaches_the_next_request(surplus: bytes) -> None:
    stub = Stub("api-1", first_then(answering(OK + surplus), answering()))
    async with proxy(stub, settings=QUICK) as lab:
        for _ in range(2):
            assert (await lab.exchange(GET))[1] == b"ok"

    assert stub.connections == 2


async def test_the_fields_of_a_surplus_answer_do_not_become_trailers_of_the_first() -> None:
    """Found by tests/fuzz: both in one segment, and `Content-Length` arrived behind the last chunk."""
    first = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nETag: 1\r\n\r\n"
    async with proxy(Stub("api-1", answering(first + OK)), settings=QUICK) as lab:
        client = await lab.connect()
        await client.send(GET)
        await client.head()
        assert await client.until(b"\r\n\r\n") == b"3\r\nabc\r\n0\r\nETag: 1\r\n\r\n"
        client.close()


async def test_an_answer_that_nobody_asked_for_costs_the_backend_its_connection() -> None:
    unsolicited = asyncio.Event()

    async def first(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await unsolicited.wait()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad")
        await peer.ended()

    stub = Stub("api-1", first_then(first, answering()))
    async with proxy(stub, settings=QUICK) as lab:
        assert (await lab.exchange(GET))[1] == b"ok"
        unsolicited.set()
        pool = lab.server._plane.pool
        await lab.settled(lambda: pool.idle(lab.backends["api-1"]) == 0, "the connection was dropped")
        assert (await lab.exchange(GET))[1] == b"ok"


async def test_a_pooled_connection_that_the_backend_closed_is_not_used_and_blames_nobody() -> None:
    async def once(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)

    stub = Stub("api-1", once)
    async with proxy(stub, settings=QUICK) as lab:
        for _ in range(20):
            head, _ = await lab.exchange(POST.replace(b"Content-Length: 4\r\n\r\nwork", b"Content-Length: 0\r\n\r\n"))
            assert status_of(head) == 200

    assert not [event for event in lab.events if type(event).__name__ == "AttemptFailed"]


async def test_pooled_connections_end_when_their_backend_goes_down() -> None:
    stub = Stub("api-1", answering())
    async with proxy(stub, settings=QUICK) as lab:
        await lab.exchange(GET)
        backend = lab.backends["api-1"]
        pool = lab.server._plane.pool
        assert pool.idle(backend) == 1
        lab.events.clear()
        lab.balancer.set_state("api-1", State.MAINT, asyncio.get_running_loop().time())
        for event in lab.events:
            lab.server.on_event(event)
        assert pool.idle(backend) == 0


async def test_no_backend_at_all_is_503_with_a_word_and_keeps_the_connection() -> None:
    async with proxy() as lab:
        client = await lab.connect()
        for _ in range(2):
            await client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
            head = await client.head()
            assert status_of(head) == 503
            assert value_of(head, b"x-lb-error") == b"no_backend"
            head, body = await client.response()
            assert body == b"503 Service Unavailable\n"
        client.close()


async def test_an_upgrade_becomes_a_tunnel_with_half_close() -> None:
    async def script(peer: Peer) -> None:
        head = await peer.head()
        assert value_of(head, b"upgrade") == b"echo/1"
        assert value_of(head, b"connection") == b"upgrade"
        await peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\nfirst")
        while data := await peer.reader.read(65536):
            await peer.send(data)

    async with proxy(Stub("api-1", script)) as lab:
        client = await lab.connect()
        await client.send(
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo/1\r\n\r\nearly"
        )
        head = await client.head()
        assert status_of(head) == 101
        assert value_of(head, b"upgrade") == b"echo/1"
        assert await client.exactly(10) == b"firstearly"
        await client.send(b"\x00" * 300_000)
        assert await client.exactly(300_000) == b"\x00" * 300_000
        assert lab.backends["api-1"].in_flight == 1
        client.writer.write_eof()
        assert await client.to_end() == b""
        await lab.settled(lambda: bool(lab.records), "the tunnel was recorded")

    assert lab.backends["api-1"].in_flight == 0
    assert (lab.records[0].status, lab.records[0].bytes_in) == (101, 300_005)


async def test_a_tunnel_ends_with_its_backend_and_an_idle_one_by_itself() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
        await peer.ended()

    upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
    stub = Stub("api-1", script)
    async with proxy(stub) as lab:
        client = await lab.connect()
        await client.send(upgrade)
        await client.head()
        await stub.stop()
        assert await client.ended()

    async with proxy(Stub("api-1", script), limits=Limits(tunnel_idle=0.1)) as lab:
        client = await lab.connect()
        await client.send(upgrade)
        await client.head()
        assert await client.ended()


async def test_an_upgrade_that_is_declined_leaves_an_ordinary_connection() -> None:
    async with proxy(Stub("api-1", answering())) as lab:
        client = await lab.connect()
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n" + GET)
        for _ in range(2):
            assert (await client.response())[1] == b"ok"
        client.close()


async def test_h2c_is_not_passed_on() -> None:
    stub = Stub("api-1", answering())

    async def script(peer: Peer) -> None:
        await stub.request(peer)
        await peer.send(OK)

    stub.script = script
    async with proxy(stub) as lab:
        head, _ = await lab.exchange(
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
            b"HTTP2-Settings: AAMAAABk\r\n\r\n"
        )

    assert status_of(head) == 200
    assert value_of(stub.heads[0], b"upgrade") is None
    assert value_of(stub.heads[0], b"http2-settings") is None
