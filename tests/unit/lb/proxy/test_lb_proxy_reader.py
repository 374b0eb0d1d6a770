"""The reader, fed in pieces. Refusals row by row are in the integration tests; here is how they come about."""

from __future__ import annotations

from itertools import pairwise

import httptools
from hypothesis import given
from hypothesis import strategies as st

from lb.proxy.framing import Body
from lb.proxy.limits import Limits
from lb.proxy.reader import RequestReader

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = (
    b"POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nETag: 1\r\n\r\n"
)
SIZED = b"PUT /c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde"


def read(*segments: bytes, limits: Limits | None = None) -> RequestReader:
    reader = RequestReader(limits or Limits())
    for segment in segments:
        reader.feed(segment)
    return reader


def summary(reader: RequestReader) -> list[tuple[str, bytes, bytes, bool]]:
    return [(item.method, item.shape.target, b"".join(item.parts), item.complete) for item in reader.queue]


WHOLE = [("GET", b"/a", b"", True), ("POST", b"/b", b"abcde", True), ("PUT", b"/c", b"abcde", True)]


def test_a_pipeline_in_one_segment_becomes_a_queue() -> None:
    reader = read(GET + CHUNKED + SIZED)
    assert summary(reader) == WHOLE
    assert reader.queue[1].trailers == [(b"ETag", b"etag", b"1")]
    assert not reader.in_head


@given(st.lists(st.integers(1, len(GET + CHUNKED + SIZED) - 1), unique=True).map(sorted))
def test_where_the_stream_is_cut_does_not_matter(cuts: list[int]) -> None:
    stream = GET + CHUNKED + SIZED
    edges = [0, *cuts, len(stream)]
    assert summary(read(*(stream[start:end] for start, end in pairwise(edges)))) == WHOLE


def test_a_body_that_is_still_coming_says_so() -> None:
    reader = read(SIZED[:-2])
    assert reader.incoming is reader.queue[0]
    assert not reader.queue[0].complete
    reader.feed(SIZED[-2:])
    assert reader.incoming is None
    assert reader.queue[0].complete


def test_what_was_read_before_a_refusal_stays_in_the_queue() -> None:
    reader = read(GET + b"GET /x HTTP/1.1\r\n\r\n" + GET)
    assert [item.shape.target for item in reader.queue] == [b"/a"]
    assert reader.refusal is not None
    assert (reader.refusal.status, reader.refusal.reason) == (400, "host")
    reader.feed(GET)
    assert len(reader.queue) == 1, "nothing behind a refusal is read"


def test_bytes_after_the_last_request_are_nobodys_business() -> None:
    last = b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    reader = read(last + GET)
    assert len(reader.queue) == 1
    assert reader.refusal is None


def test_after_an_upgrade_nothing_is_parsed_until_it_is_declined() -> None:
    upgrade = b"GET /up HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: y\r\n\r\n"
    reader = read(upgrade + GET[:5], GET[5:])
    assert reader.awaits_switch
    assert reader.early == GET
    reader.queue.clear()
    reader.switch_refused()
    assert [item.shape.target for item in reader.queue] == [b"/a"]


def test_a_large_body_behind_a_small_head_does_not_count_as_head() -> None:
    body = b"x" * 100_000
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
    assert read(head + body).refusal is None
    assert read(head + body[:50_000], body[50_000:] + GET[:9], GET[9:]).refusal is None


tokens = st.sampled_from([b"GET", b"POST", b"/", b"*", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0"])
pieces = st.one_of(
    tokens,
    st.sampled_from([b" ", b"\r\n", b"\n", b"\r", b":", b"\t", b"\0", b"Host: a", b"0", b"3", b"abc", b";", b","]),
    st.sampled_from([b"Content-Length: 3", b"Transfer-Encoding: chunked", b"Connection: close", b"Upgrade: x"]),
    st.binary(max_size=4),
)


@given(st.lists(pieces, max_size=30).map(b"".join))
def test_no_bytes_make_it_raise(stream: bytes) -> None:
    reader = read(GET[:-2] + stream, stream)
    assert all(item.shape.host or item.version == "1.0" or b"host" in item.shape.special for item in reader.queue)


@given(st.lists(pieces, max_size=12).map(b"".join))
def test_what_is_accepted_is_framed_as_llhttp_frames_what_we_send_on(stream: bytes) -> None:
    """The request that leaves must end where the request that came in ended: re-read what a backend would get."""
    for item in read(b"POST / HTTP/1.1\r\nHost: x\r\n" + stream + b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n").queue:
        if not item.complete or item.shape.body is Body.NONE:
            continue
        framing = (
            b"Content-Length: %d" % item.shape.length
            if item.shape.body is Body.LENGTH
            else b"Transfer-Encoding: chunked"
        )
        ends = Ends()
        httptools.HttpRequestParser(ends).feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n" + item.peek())
        assert (ends.messages, ends.body) == (1, b"".join(item.parts))


class Ends:
    def __init__(self) -> None:
        self.messages = 0
        self.body = b""

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        self.messages += 1
