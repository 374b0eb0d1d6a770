"""What an HTTP/1.1 intermediary must refuse, byte for byte: status, closed connection, no backend involved."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from lb.proxy.limits import Limits
from tests.support.raw_http import OK, Peer, Stub, answering, proxy, status_of, value_of

CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def get(fields: bytes, start: bytes = b"GET / HTTP/1.1") -> bytes:
    return start + b"\r\n" + fields + b"\r\n\r\n"


def post(fields: bytes, body: bytes = b"", start: bytes = b"POST / HTTP/1.1") -> bytes:
    return start + b"\r\nHost: a\r\n" + fields + b"\r\n\r\n" + body


def recording() -> Stub:
    """A backend that keeps the head of the request, and answers it."""
    stub = Stub("api-1", answering())

    async def script(peer: Peer) -> None:
        await stub.request(peer)
        await peer.send(OK)

    stub.script = script
    return stub


@dataclass(frozen=True)
class Row:
    name: str
    sent: bytes
    status: int = 400


ROWS = [
    Row("length with coding", post(b"Content-Length: 4\r\nTransfer-Encoding: chunked", b"0\r\n\r\n")),
    Row("coding with length", post(b"Transfer-Encoding: chunked\r\nContent-Length: 4", b"0\r\n\r\n")),
    Row("differing lengths", post(b"Content-Length: 4\r\nContent-Length: 5", b"abcde")),
    Row("repeated length", post(b"Content-Length: 4\r\nContent-Length: 4", b"abcd")),
    Row("length list", post(b"Content-Length: 4, 4", b"abcd")),
    Row("length +4", post(b"Content-Length: +4", b"abcd")),
    Row("length 0x4", post(b"Content-Length: 0x4", b"abcd")),
    Row("length -1", post(b"Content-Length: -1")),
    Row("length empty", post(b"Content-Length: ")),
    Row("length beyond 64 bits", post(b"Content-Length: 99999999999999999999")),
    Row("length beyond 63 bits", post(b"Content-Length: 18446744073709551615")),
    Row("length list of two values", post(b"Content-Length: 4, 5", b"abcd")),
    Row("length with a space inside", post(b"Content-Length: 4 4", b"abcd")),
    Row("length 0_4", post(b"Content-Length: 0_4", b"abcd")),
    Row("length 4.0", post(b"Content-Length: 4.0", b"abcd")),
    Row("length in other digits", post(b"Content-Length: \xd9\xa4", b"abcd")),
    Row("length after a vertical tab", post(b"Content-Length: \x0b4", b"abcd")),
    Row("coding in 1.0", post(b"Transfer-Encoding: chunked", b"0\r\n\r\n", start=b"POST / HTTP/1.0")),
    Row("coding doubled in one line", post(b"Transfer-Encoding: chunked, chunked", b"0\r\n\r\n")),
    Row("coding doubled in two", post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"0\r\n\r\n")),
    Row("coding after a tab", post(b"Transfer-Encoding:\tchunked", b"0\r\n\r\n")),
    Row("coding before a tab", post(b"Transfer-Encoding: chunked\t", b"0\r\n\r\n")),
    Row("coding with vertical tab", post(b"Transfer-Encoding: \x0bchunked", b"0\r\n\r\n")),
    Row("space before the colon", post(b"Transfer-Encoding : chunked", b"0\r\n\r\n")),
    Row("tab before the colon", post(b"Transfer-Encoding\t: chunked", b"0\r\n\r\n")),
    Row("xchunked", post(b"Transfer-Encoding: xchunked", b"0\r\n\r\n")),
    Row("quoted chunked", post(b'Transfer-Encoding: "chunked"', b"0\r\n\r\n")),
    Row("gzip, chunked", post(b"Transfer-Encoding: gzip, chunked", b"0\r\n\r\n")),
    Row("chunked, gzip", post(b"Transfer-Encoding: chunked, gzip", b"0\r\n\r\n")),
    Row("chunked with a parameter", post(b"Transfer-Encoding: chunked;q=1", b"0\r\n\r\n")),
    Row("chunked and a comma", post(b"Transfer-Encoding: chunked,", b"0\r\n\r\n")),
    Row("folded coding", post(b"Transfer-Encoding:\r\n chunked", b"0\r\n\r\n")),
    Row("identity", post(b"Transfer-Encoding: identity", b"0\r\n\r\n"), 501),
    Row("empty coding", post(b"Transfer-Encoding: ", b"0\r\n\r\n")),
    Row("unknown coding", post(b"Transfer-Encoding: gzip", b"0\r\n\r\n"), 501),
    Row("obs-fold", get(b"Host: a\r\nX: b\r\n c")),
    Row("obs-fold with a tab", get(b"Host: a\r\nX: b\r\n\tc")),
    Row("bare LF at the end of the head", b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
    Row("bare CR for line ends", b"GET / HTTP/1.1\rHost: a\r\r"),
    Row("bare CR before a field", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\rContent-Length: 3\r\n\r\nabc"),
    Row("DEL in a value", get(b"Host: a\r\nX: b\x7fc")),
    Row("control byte in a value", get(b"Host: a\r\nX: b\x01c")),
    Row("control byte in a name", get(b"Host: a\r\nX\x01: b")),
    Row("parenthesis in a name", get(b"Host: a\r\nX(: b")),
    Row("bytes beyond ASCII in a name", get(b"Host: a\r\n\xc3\xa9: b")),
    Row("bytes beyond ASCII in the target", get(b"Host: a", start=b"GET /\xc3\xa9 HTTP/1.1")),
    Row("tab in the start line", get(b"Host: a", start=b"GET\t/\tHTTP/1.1")),
    Row("a space in the target", get(b"Host: a", start=b"GET /a b HTTP/1.1")),
    Row("no target", get(b"Host: a", start=b"GET HTTP/1.1")),
    Row("target without a slash", get(b"Host: a", start=b"GET a HTTP/1.1")),
    Row("bare LF after the start line", b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
    Row("bare LF after a field", b"GET / HTTP/1.1\r\nHost: a\n\r\n"),
    Row("bare CR in a value", get(b"Host: a\r\nX: b\rc")),
    Row("NUL in a value", get(b"Host: a\r\nX: b\0c")),
    Row("NUL in a name", get(b"Host: a\r\nX\0: b")),
    Row("space in a name", get(b"Host: a\r\nX Y: b")),
    Row("empty name", get(b"Host: a\r\n: b")),
    Row("missing colon", get(b"Host: a\r\nnonsense")),
    Row("leading space", get(b" Host: a")),
    Row("leading space in the start line", get(b"Host: a", start=b" GET / HTTP/1.1")),
    Row("control byte in the target", get(b"Host: a", start=b"GET /\x01 HTTP/1.1")),
    Row("fragment in the target", get(b"Host: a", start=b"GET /#x HTTP/1.1")),
    Row("asterisk without OPTIONS", get(b"Host: a", start=b"GET * HTTP/1.1")),
    Row("not HTTP at all", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    Row("chunk size 0x3", CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n"),
    Row("chunk size 0_3", CHUNKED + b"0_3\r\nabc\r\n0\r\n\r\n"),
    Row("chunk size empty", CHUNKED + b"\r\nabc\r\n0\r\n\r\n"),
    Row("chunk size +3", CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n"),
    Row("chunk size -3", CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n"),
    Row("chunk size after a space", CHUNKED + b" 3\r\nabc\r\n0\r\n\r\n"),
    Row("chunk size with a tab", CHUNKED + b"3\t\r\nabc\r\n0\r\n\r\n"),
    Row("chunk size and a bare LF", CHUNKED + b"3\nabc\r\n0\r\n\r\n"),
    Row("last chunk and a bare LF", CHUNKED + b"3\r\nabc\r\n0\n\n"),
    Row("bare LF after the last chunk", CHUNKED + b"3\r\nabc\r\n0\r\n\n"),
    Row("chunk data and a bare CR", CHUNKED + b"3\r\nabc\r0\r\n\r\n"),
    Row("chunk data shorter than its size", CHUNKED + b"5\r\nabc\r\n0\r\n\r\n"),
    Row("NUL inside an extension", CHUNKED + b"3;a\0\r\nabc\r\n0\r\n\r\n"),
    Row("chunk size overflow", CHUNKED + b"fffffffffffffffff\r\nabc"),
    Row("chunk size with trailing space", CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n"),
    Row("chunk data longer than its size", CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n"),
    Row("chunk data without CR", CHUNKED + b"3\r\nabc\n0\r\n\r\n"),
    Row("LF inside an extension", CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n"),
    Row("CR inside an extension", CHUNKED + b"3;a\rb\r\nabc\r\n0\r\n\r\n"),
    Row("length in trailers", CHUNKED + b"3\r\nabc\r\n0\r\nContent-Length: 3\r\n\r\n"),
    Row("coding in trailers", CHUNKED + b"3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    Row("obs-fold in trailers", CHUNKED + b"3\r\nabc\r\n0\r\nX: a\r\n b\r\n\r\n"),
    Row("bare LF in trailers", CHUNKED + b"3\r\nabc\r\n0\r\nX: a\n\r\n"),
    Row("space in a trailer's name", CHUNKED + b"3\r\nabc\r\n0\r\nX : a\r\n\r\n"),
    Row("101 trailers", CHUNKED + b"0\r\n" + b"X: y\r\n" * 101 + b"\r\n", 431),
    Row("trailers over 32 KiB", CHUNKED + b"0\r\nX: " + b"y" * 33_000 + b"\r\n\r\n", 431),
    Row("host in trailers", CHUNKED + b"3\r\nabc\r\n0\r\nHost: b\r\n\r\n"),
    Row("missing host", b"GET / HTTP/1.1\r\nX: y\r\n\r\n"),
    Row("repeated host", get(b"Host: a\r\nHost: a")),
    Row("two hosts", get(b"Host: a\r\nHost: b")),
    Row("host with a user", get(b"Host: u@a")),
    Row("host with a path", get(b"Host: a/b")),
    Row("host with a space", get(b"Host: a b")),
    Row("host with letters for a port", get(b"Host: a:b")),
    Row("absolute form without host", b"GET http://a/ HTTP/1.1\r\n\r\n"),
    Row("absolute form of another port", get(b"Host: a:80", start=b"GET http://a:81/ HTTP/1.1")),
    Row("absolute form of another scheme", get(b"Host: a", start=b"GET ftp://a/ HTTP/1.1")),
    Row("impossible host", get(b"Host: a, b")),
    Row("quotes in host", get(b'Host: a"b')),
    Row("absolute form of another host", get(b"Host: a", start=b"GET http://b/ HTTP/1.1")),
    Row("absolute form with a user", get(b"Host: a", start=b"GET http://u@a/ HTTP/1.1")),
    Row("absolute form of the other scheme's port", get(b"Host: a", start=b"GET http://a:443/ HTTP/1.1")),
    Row("absolute form without a name", get(b"Host: ", start=b"GET http://:80/ HTTP/1.1")),
    Row("absolute form that is no host", b'GET http://a"b/ HTTP/1.0\r\n\r\n'),
    Row("RTSP", get(b"Host: a", start=b"GET / RTSP/1.0")),
    Row("RTSP with a method of both", get(b"Host: a", start=b"OPTIONS * RTSP/1.1")),
    Row("ICE", get(b"Host: a", start=b"SOURCE /x ICE/1.0")),
    Row("RTSP behind empty lines", b"\r\n\r\n" + get(b"Host: a", start=b"POST /HTTP/ RTSP/1.0")),
    Row("a space in a name", get(b"Host: a\r\nX-Forwarded For: 6.6.6.6")),
    Row("version 1.2", get(b"Host: a", start=b"GET / HTTP/1.2"), 505),
    Row("version 2.0", get(b"Host: a", start=b"GET / HTTP/2.0"), 505),
    Row("version 0.9", get(b"Host: a", start=b"GET / HTTP/0.9"), 505),
    Row("version 3.0", get(b"Host: a", start=b"GET / HTTP/3.0"), 505),
    Row("version 1.10", get(b"Host: a", start=b"GET / HTTP/1.10")),
    Row("version in lower case", get(b"Host: a", start=b"GET / http/1.1")),
    Row("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Row("no version", b"GET /\r\n\r\n", 505),
    Row("CONNECT", get(b"Host: a:80", start=b"CONNECT a:80 HTTP/1.1"), 405),
    Row("TRACE", get(b"Host: a", start=b"TRACE / HTTP/1.1"), 405),
    Row("unknown method", get(b"Host: a", start=b"BREW / HTTP/1.1"), 501),
    Row("head over 32 KiB", get(b"Host: a\r\nX: " + b"y" * 33_000), 431),
    Row("head over 32 KiB, unfinished", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 40_000, 431),
    Row("101 fields", get(b"Host: a\r\n" + b"\r\n".join([b"X: y"] * 100)), 431),
    Row("101 fields, unfinished", b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 102, 431),
    Row("target over 8 KiB", get(b"Host: a", start=b"GET /" + b"x" * 8192 + b" HTTP/1.1"), 414),
    Row("target over 8 KiB, unfinished", b"GET /" + b"x" * 9000, 414),
    Row("body over the limit", post(b"Content-Length: 2000000"), 413),
    Row("other expectation", post(b"Content-Length: 1\r\nExpect: 200-ok", b"x"), 417),
    Row("upgrade with a body", post(b"Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 1", b"x")),
]


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
async def test_refused(row: Row) -> None:
    stub = Stub("api-1", answering())
    async with proxy(stub, limits=Limits(body=1_000_000)) as lab:
        client = await lab.connect()
        await client.send(row.sent)
        head, body = await client.response()
        assert status_of(head) == row.status
        assert value_of(head, b"connection") == b"close"
        assert value_of(head, b"x-lb-error")
        assert body.startswith(b"%d " % row.status)
        assert len(body) < 60
        assert await client.to_end() == b"", "one answer, then the end"
        assert [record.status for record in lab.records] == [row.status]

    assert stub.connections == 0


@pytest.mark.parametrize("row", [row for row in ROWS if len(row.sent) < 300], ids=lambda row: row.name)
async def test_refused_just_the_same_byte_by_byte(row: Row) -> None:
    """The checks must not depend on how TCP happened to cut the stream."""
    async with proxy(Stub("api-1", answering()), limits=Limits(body=1_000_000)) as lab:
        client = await lab.connect()
        for at in range(len(row.sent)):
            client.writer.write(row.sent[at : at + 1])
            await asyncio.sleep(0)
        head, _ = await client.response()
        assert status_of(head) == row.status
        client.close()


ACCEPTED = {
    "lower-case names": get(b"host: a"),
    "empty host": get(b"Host: "),
    "port in host": get(b"Host: a:8080"),
    "IPv6 host": get(b"Host: [::1]:8080"),
    "absolute form of the same host": get(b"Host: a", start=b"GET http://A/x HTTP/1.1"),
    "absolute form with the default port": get(b"Host: a", start=b"GET http://a:80/x HTTP/1.1"),
    "absolute form without the default port": get(b"Host: a:443", start=b"GET https://a/x HTTP/1.1"),
    "absolute form with an empty port": get(b"Host: a:80", start=b"GET http://a:/x HTTP/1.1"),
    "absolute form in HTTP/1.0 without host": b"GET http://a/x HTTP/1.0\r\n\r\n",
    "protocol of another name in a field": get(b"Host: a\r\nX: GET / RTSP/1.0", start=b"GET / HTTP/1.1"),
    "OPTIONS *": get(b"Host: a", start=b"OPTIONS * HTTP/1.1"),
    "empty lines before": b"\r\n\r\n" + get(b"Host: a"),
    "CHUNKED in capitals": post(b"Transfer-Encoding: CHUNKED", b"0\r\n\r\n"),
    "bytes beyond ASCII in a value": get(b"Host: a\r\nX: \xff\xfe"),
    "a tab inside a value": get(b"Host: a\r\nX: b\tc"),
    "exactly 100 fields": get(b"Host: a\r\n" + b"\r\n".join([b"X: y"] * 99)),
}


@pytest.mark.parametrize(
    ("start", "forwarded", "host"),
    [
        (b"GET http://A.test:80/x?y HTTP/1.1\r\nHost: a.test", b"GET /x?y HTTP/1.1", b"A.test:80"),
        (b"GET http://a.test/x HTTP/1.0", b"GET /x HTTP/1.1", b"a.test"),
        (b"OPTIONS http://a.test HTTP/1.1\r\nHost: a.test", b"OPTIONS * HTTP/1.1", b"a.test"),
        (b"OPTIONS http://a.test/ HTTP/1.1\r\nHost: a.test", b"OPTIONS / HTTP/1.1", b"a.test"),
        (b"OPTIONS http://a.test?x HTTP/1.1\r\nHost: a.test", b"OPTIONS /?x HTTP/1.1", b"a.test"),
        (b"OPTIONS * HTTP/1.1\r\nHost: a.test", b"OPTIONS * HTTP/1.1", b"a.test"),
        (b"GET http://a.test HTTP/1.1\r\nHost: a.test", b"GET / HTTP/1.1", b"a.test"),
    ],
)
async def test_an_absolute_form_is_forwarded_in_origin_form(start: bytes, forwarded: bytes, host: bytes) -> None:
    stub = recording()
    async with proxy(stub) as lab:
        head, _ = await lab.exchange(start + b"\r\nConnection: close\r\n\r\n")
    assert status_of(head) == 200
    assert stub.heads[0].split(b"\r\n")[0] == forwarded
    assert value_of(stub.heads[0], b"host") == host


LOOKALIKES = [b"X_Forwarded_For", b"X-Forwarded_Proto", b"x_forwarded-host", b"Content_Length", b"Transfer_Encoding"]


@pytest.mark.parametrize("name", [*LOOKALIKES, b"X_Request_ID", b"Proxy_Connection"])
async def test_a_name_that_a_backend_may_take_for_one_of_ours_is_not_forwarded(name: bytes) -> None:
    stub = recording()
    async with proxy(stub) as lab:
        head, _ = await lab.exchange(get(b"Host: a\r\nApi_Key: k\r\n" + name + b": 6.6.6.6"))
    assert status_of(head) == 200
    assert b"6.6.6.6" not in stub.heads[0]
    assert value_of(stub.heads[0], b"api_key") == b"k"


@pytest.mark.parametrize("name", LOOKALIKES)
async def test_or_is_refused_if_so_configured(name: bytes) -> None:
    stub = recording()
    async with proxy(stub, limits=Limits(refuse_lookalikes=True)) as lab:
        head, _ = await lab.exchange(get(b"Host: a\r\n" + name + b": 6"))
    assert status_of(head) == 400
    assert stub.heads == []


@pytest.mark.parametrize("sent", ACCEPTED.values(), ids=ACCEPTED.keys())
async def test_strict_is_not_paranoid(sent: bytes) -> None:
    async def script(peer: Peer) -> None:
        head = await peer.head()
        if value_of(head, b"transfer-encoding"):
            await peer.until(b"0\r\n\r\n")
        await peer.send(OK)

    async with proxy(Stub("api-1", script)) as lab:
        head, _ = await lab.exchange(sent)

    assert status_of(head) == 200


async def test_the_requests_before_a_bad_one_are_answered_first() -> None:
    async with proxy(Stub("api-1", answering())) as lab:
        client = await lab.connect()
        good = get(b"Host: a")
        await client.send(good + good + get(b"Host : a") + good)
        assert (await client.response())[1] == b"ok"
        assert (await client.response())[1] == b"ok"
        assert status_of((await client.response())[0]) == 400
        assert await client.to_end() == b""


async def test_connection_never_removes_what_framing_stands_on() -> None:
    stub = Stub("api-1", answering())

    async def script(peer: Peer) -> None:
        await stub.request(peer)
        assert await peer.exactly(4) == b"body"
        await peer.send(OK)

    stub.script = script
    async with proxy(stub) as lab:
        await lab.exchange(
            b"POST / HTTP/1.1\r\nHost: a\r\nX-Hop: 1\r\nX-Stay: 1\r\nKeep-Alive: 5\r\nX-Forwarded-For: 6.6.6.6\r\n"
            b"Forwarded: for=6.6.6.6\r\nConnection: host, content-length, x-hop\r\nContent-Length: 4\r\n\r\nbody"
        )

    head = stub.heads[0]
    assert value_of(head, b"host") == b"a"
    assert value_of(head, b"content-length") == b"4"
    assert value_of(head, b"x-stay") == b"1"
    for gone in (b"connection", b"keep-alive", b"x-hop"):
        assert value_of(head, gone) is None
    assert b"6.6.6.6" not in head


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n", 408),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", 408),
        (b"", 0),
    ],
    ids=["slow head", "slow body", "idle"],
)
async def test_a_client_that_stops_talking_is_not_waited_for(sent: bytes, status: int) -> None:
    impatient = Limits(slow_head=0.1, slow_body=0.1, client_idle=0.1)
    async with proxy(Stub("api-1", answering()), limits=impatient) as lab:
        client = await lab.connect()
        await client.send(sent)
        answer = await client.to_end()

    assert (status_of(answer) if answer else 0) == status


async def test_a_head_that_drips_is_cut_off_although_it_never_stops() -> None:
    async with proxy(Stub("api-1", answering()), limits=Limits(slow_head=0.2)) as lab:
        client = await lab.connect()

        async def drip() -> None:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
            while True:
                await client.send(b"X: y\r\n")
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        assert status_of(await client.head()) == 408
        dripping.cancel()


async def test_a_chunked_body_over_the_limit_is_cut_off() -> None:
    async with proxy(Stub("api-1", answering()), limits=Limits(body=100_000)) as lab:
        client = await lab.connect()
        await client.send(CHUNKED)
        for _ in range(20):
            await client.send(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
        assert status_of(await client.head()) == 413


async def test_beyond_the_connection_limit_a_client_is_told_so() -> None:
    async with proxy(Stub("api-1", answering()), limits=Limits(connections=1)) as lab:
        first = await lab.connect()
        await first.send(get(b"Host: a"))
        await first.response()
        second = await lab.connect()
        head, _ = await second.response()
        assert status_of(head) == 503
        assert value_of(head, b"x-lb-error") == b"connections"
        first.close()
