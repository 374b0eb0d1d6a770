"""Answers that are odd rather than broken: what passes, what is mended on its way, and that no request runs twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from lb.core.settings import RetrySettings, Settings
from tests.support.raw_http import OK, Peer, Script, Stub, answering, proxy, status_of, value_of

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
DELETE = b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"

ONCE = Settings(retry=RetrySettings(per_try_timeout=2.0, total_timeout=5.0, hedge=False))
HEDGING = replace(ONCE, retry=replace(ONCE.retry, hedge=True, per_try_timeout=0.6))


def counted(stub: Stub, answer: bytes) -> Stub:
    """Answer every request with `answer`, and remember its head."""

    async def script(peer: Peer) -> None:
        while True:
            await stub.request(peer)
            await peer.send(answer)

    stub.script = script
    return stub


def two(answer: bytes) -> tuple[Stub, Stub]:
    return counted(Stub("api-1", answering()), answer), counted(Stub("api-2", answering()), answer)


NO_BODY = {
    "204 with a length": (DELETE, b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n"),
    "204 with a length and a body": (DELETE, b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok"),
    "204 with a coding": (DELETE, b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "204 with a last chunk": (DELETE, b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "204 with an unknown coding": (DELETE, b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: gzip\r\n\r\n"),
    "204 of HTTP/1.0 with a coding": (DELETE, b"HTTP/1.0 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "304 with a coding": (GET, b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
    "HEAD with an unknown coding": (HEAD, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
    "HEAD of HTTP/1.0 with a coding": (HEAD, b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
}


@pytest.mark.parametrize(("request_", "answer"), NO_BODY.values(), ids=NO_BODY.keys())
async def test_an_answer_without_a_body_ends_with_its_head_whatever_that_says(request_: bytes, answer: bytes) -> None:
    stubs = two(answer)
    async with proxy(*stubs, settings=ONCE) as lab:
        client = await lab.connect()
        for done in (1, 2):
            await client.send(request_)
            head = await client.head()
            assert status_of(head) == status_of(answer)
            assert value_of(head, b"transfer-encoding") is None
            assert value_of(head, b"content-length") is None
            assert value_of(head, b"connection") is None
            assert sum(len(stub.heads) for stub in stubs) == done, "executed once each"
        client.close()


async def test_a_length_of_0_in_a_204_is_left_out_and_costs_no_connection() -> None:
    stub = Stub("api-1", answering(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"))
    async with proxy(stub) as lab:
        client = await lab.connect()
        for _ in range(2):
            await client.send(DELETE)
            assert value_of(await client.head(), b"content-length") is None
        client.close()
    assert stub.connections == 1


@pytest.mark.parametrize(
    "field", [b"Content-Length: 2", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip"], ids=bytes.decode
)
async def test_framing_fields_in_an_interim_answer_are_left_out(field: bytes) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n" + field + b"\r\n\r\n"
    async with proxy(Stub("api-1", answering(hints + OK))) as lab:
        client = await lab.connect()
        await client.send(GET)
        head = await client.head()
        assert (status_of(head), value_of(head, b"link")) == (103, b"</x>")
        assert value_of(head, field.split(b":")[0].lower()) is None
        assert (await client.response())[1] == b"ok"
        client.close()


async def test_an_answer_of_another_protocol_behind_an_interim_one_is_refused() -> None:
    async with proxy(Stub("api-1", answering(b"HTTP/1.1 103 Early Hints\r\n\r\nRTSP/1.0 200 OK\r\n\r\n"))) as lab:
        client = await lab.connect()
        await client.send(GET)
        assert status_of(await client.head()) == 103
        assert status_of(await client.head()) == 502
        client.close()


@pytest.mark.parametrize(
    "switch",
    [
        b"HTTP/1.1 101 Switching Protocols\r\n\r\nabc",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nabc",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: y\r\n\r\nabc",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x, y\r\n\r\nabc",
    ],
    ids=["to nothing", "without Connection", "to something else", "to more than was asked for"],
)
async def test_a_switch_to_what_was_not_asked_for_is_refused(switch: bytes) -> None:
    stubs = two(switch)
    async with proxy(*stubs, settings=ONCE) as lab:
        assert status_of((await lab.exchange(UPGRADE))[0]) == 502
    assert sum(len(stub.heads) for stub in stubs) == 1


async def test_a_switch_leaves_out_framing_fields_and_may_spell_the_protocol_in_another_case() -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: X\r\nContent-Length: 3\r\n\r\nabc"
    async with proxy(Stub("api-1", answering(switch))) as lab:
        client = await lab.connect()
        await client.send(UPGRADE)
        head = await client.head()
        assert (status_of(head), value_of(head, b"content-length")) == (101, None)
        assert await client.exactly(3) == b"abc"
        client.close()


MENDED = {
    "204 with two lengths": (DELETE, b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n"),
    "204 with both framings": (
        DELETE,
        b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "204 with a signed length": (DELETE, b"HTTP/1.1 204 No Content\r\nContent-Length: -1\r\n\r\n"),
    "304 with an empty length": (GET, b"HTTP/1.1 304 Not Modified\r\nContent-Length:\r\n\r\n"),
    "HEAD with both framings": (
        HEAD,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n",
    ),
    "HEAD with a list of lengths": (HEAD, b"HTTP/1.1 200 OK\r\nContent-Length: 9, 9\r\n\r\n"),
}


@pytest.mark.parametrize("cut", [0, 12, 40], ids=["whole", "cut in its first line", "cut in its fields"])
@pytest.mark.parametrize(("request_", "answer"), MENDED.values(), ids=MENDED.keys())
async def test_framing_that_makes_no_sense_does_no_harm_where_no_body_is(
    request_: bytes, answer: bytes, cut: int
) -> None:
    stub = Stub("api-1", answering())
    parts = [part for part in (answer[:cut], answer[cut:]) if part]

    async def script(peer: Peer) -> None:
        await stub.request(peer)
        for part in parts:
            await peer.send(part)
            await asyncio.sleep(0.01)  # segments of their own, usually: it must not matter
        await peer.ended()

    stub.script = script
    async with proxy(stub, settings=ONCE) as lab:
        client = await lab.connect()
        for _ in range(2):
            await client.send(request_)
            head = await client.head()
            assert status_of(head) == status_of(answer)
            assert value_of(head, b"content-length") is None
        client.close()
    assert (len(stub.heads), stub.connections) == (2, 2), "such a connection is not used again"


async def test_white_space_before_a_colon_is_taken_away() -> None:
    """RFC 9112 §5.1 asks it of proxies; the answer is whole otherwise."""
    answer = b"HTTP/1.1 200 OK\r\nSecured-By : us\r\nContent-Length: 2\r\n\r\nok"
    for first in (len(answer), 25):
        stub = Stub("api-1", answering())

        async def script(peer: Peer, stub: Stub = stub, first: int = first) -> None:
            await stub.request(peer)
            await peer.send(answer[:first])
            await asyncio.sleep(0.01)
            await peer.send(answer[first:])

        stub.script = script
        async with proxy(stub, settings=ONCE) as lab:
            head, body = await lab.exchange(GET)
        assert (value_of(head, b"secured-by"), body) == (b"us", b"ok")
        assert b"Secured-By: us\r\n" in head


async def test_a_mended_interim_answer_is_passed_on_once_with_what_follows() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n"
    first = b"HTTP/1.1 102 Processing\r\n\r\n"
    answers = {hints + OK: [103, 200], first + hints + OK: [102, 103, 200], hints + first + OK: [103, 102, 200]}
    for answer, expected in answers.items():
        async with proxy(Stub("api-1", answering(answer)), settings=ONCE) as lab:
            client = await lab.connect()
            await client.send(GET)
            seen = [status_of(await client.head())]
            while seen[-1] < 200:
                seen.append(status_of(await client.head()))
            assert seen == expected
            assert await client.exactly(2) == b"ok"
            client.close()


async def test_only_trailers_that_are_known_to_be_harmless_pass() -> None:
    chunked = b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Real-IP: 1.2.3.4\r\nETag: x\r\n\r\n"
    seen = b""

    async def script(peer: Peer) -> None:
        nonlocal seen
        await peer.head()
        seen = await peer.until(b"0\r\n") + await peer.until(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 200 OK\r\n" + chunked)

    async with proxy(Stub("api-1", script)) as lab:
        client = await lab.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\n" + chunked)
        await client.head()
        assert await client.until(b"\r\n\r\n") == b"3\r\nabc\r\n0\r\nETag: x\r\n\r\n"
        client.close()
    assert seen == b"3\r\nabc\r\n0\r\nETag: x\r\n\r\n"


# --- answers that end too early ---


def cut_after(part: bytes, *, reset: bool = False) -> Script:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(part)
        if reset:
            peer.reset()

    return script


CUTS = {
    "one byte": b"H",
    "part of the status line": b"HTTP/1.1 20",
    "part of the head": b"HTTP/1.1 204 No Content\r\nX: y",
    "part of a small body": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab",
    "an early hint": b"HTTP/1.1 103 Early Hints\r\n\r\n",
}


@pytest.mark.parametrize("part", CUTS.values(), ids=CUTS.keys())
@pytest.mark.parametrize("reset", [False, True])
async def test_an_answer_that_has_begun_and_is_cut_repeats_only_what_has_no_effect(part: bytes, reset: bool) -> None:
    async with proxy(Stub("api-1", cut_after(part, reset=reset)), Stub("api-2", answering()), settings=ONCE) as lab:
        client = await lab.connect()
        await client.send(DELETE)
        head = await client.head()
        if status_of(head) == 103:
            head = await client.head()
        assert (status_of(head), value_of(head, b"x-lb-error")) == (502, b"reset")
        assert value_of(head, b"x-tried") == b"api-1"
        client.close()

    async with proxy(Stub("api-1", cut_after(part, reset=reset)), Stub("api-2", answering()), settings=ONCE) as lab:
        client = await lab.connect()
        await client.send(GET)
        head = await client.head()
        if status_of(head) == 103:
            head = await client.head()
        assert (status_of(head), value_of(head, b"x-tried")) == (200, b"api-1,api-2")
        client.close()


async def test_100_continue_is_no_answer_yet() -> None:
    stub = Stub("api-1", cut_after(b"HTTP/1.1 100 Continue\r\n\r\n"))
    async with proxy(stub, Stub("api-2", answering()), settings=ONCE) as lab:
        client = await lab.connect()
        await client.send(DELETE)
        assert status_of(await client.head()) == 100
        assert status_of(await client.head()) == 200
        client.close()


@pytest.mark.parametrize("part", [CUTS["part of the head"], CUTS["part of a small body"]], ids=["head", "body"])
async def test_a_delete_whose_answer_has_begun_is_neither_hedged_nor_repeated(part: bytes) -> None:
    async def frozen(peer: Peer) -> None:
        await peer.head()
        await peer.send(part)
        await peer.ended()

    other = Stub("api-2", answering())
    async with proxy(Stub("api-1", frozen), other, settings=HEDGING) as lab:
        client = await lab.connect()
        await client.send(DELETE)
        await lab.settled(lambda: bool(lab.records) or lab.balancer.backends[0].in_flight == 1, "it is under way")
        head = await client.head()
        assert value_of(head, b"x-tried") == b"api-1"
        client.close()
    assert other.connections == 0


# --- requests whose body the backend may not read ---


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"DELETE", b"OPTIONS"])
@pytest.mark.parametrize(
    "body", [b"Content-Length: 4\r\n\r\nevil", b"Transfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n"]
)
async def test_the_body_of_a_request_that_should_have_none_is_not_taken_for_the_next_one(
    method: bytes, body: bytes
) -> None:
    """The backend answers without reading it: whatever comes next on that connection is read behind it."""
    stub = Stub("api-1", answering())

    async def script(peer: Peer) -> None:
        head = await stub.request(peer)
        await peer.send(OK if not head.startswith(b"HEAD") else OK[:-2])
        await peer.ended()

    stub.script = script
    async with proxy(stub, settings=ONCE) as lab:
        client = await lab.connect()
        await client.send(method + b" / HTTP/1.1\r\nHost: a\r\n" + body)
        await client.head()
        client.close()
        assert (await lab.exchange(GET))[1] == b"ok"
    assert stub.connections == 2


async def test_a_get_with_an_empty_body_and_a_post_keep_their_connection() -> None:
    stub = Stub("api-1", answering())
    async with proxy(stub) as lab:
        await lab.exchange(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        await lab.exchange(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nwork")
        await lab.exchange(GET)
    assert stub.connections == 1


async def test_a_get_whose_body_comes_late_does_not_keep_its_connection_either() -> None:
    reached = asyncio.Event()

    async def script(peer: Peer) -> None:
        head = await peer.head()
        reached.set()
        await peer.exactly(int(value_of(head, b"content-length") or b"0"))
        await peer.send(OK)
        await peer.ended()

    stub = Stub("api-1", script)
    async with proxy(stub) as lab:
        client = await lab.connect()
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
        await asyncio.wait_for(reached.wait(), 5)
        await client.send(b"late")
        assert (await client.response())[1] == b"ok"
        client.close()
        assert (await lab.exchange(GET))[1] == b"ok"
    assert stub.connections == 2
