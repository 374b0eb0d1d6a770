"""The reader, fed in pieces. Refusals row by row are in the integration tests; here is how they come about."""

from __future__ import annotations

from itertools import pairwise

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.proxy.limits import Limits
from lb.proxy.request_framing import Body
from lb.proxy.request_reader import MOST_PARTS, PIPELINED, STEP, RequestReader

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
    return [(item.method, item.framing.target, b"".join(item.parts), item.complete) for item in reader.queue]


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
    assert [item.framing.target for item in reader.queue] == [b"/a"]
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
    assert reader.awaiting_upgrade
    assert reader.after_upgrade == GET
    reader.queue.clear()
    reader.upgrade_refused()
    assert [item.framing.target for item in reader.queue] == [b"/a"]


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
    assert all(item.framing.host or item.version == "1.0" or b"host" in item.framing.special for item in reader.queue)


@given(st.lists(pieces, max_size=12).map(b"".join))
def test_what_is_accepted_is_framed_as_llhttp_frames_what_we_send_on(stream: bytes) -> None:
    """The request that leaves must end where the request that came in ended: re-read what a backend would get."""
    for item in read(b"POST / HTTP/1.1\r\nHost: x\r\n" + stream + b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n").queue:
        if not item.complete or item.framing.body is Body.NONE:
            continue
        framing = (
            b"Content-Length: %d" % item.framing.length
            if item.framing.body is Body.LENGTH
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


TINY = b"GET / HTTP/1.1\r\nHost:a\r\n\r\n"


MOST_PARSED = PIPELINED + 2 * STEP // len(TINY)
"""The last step may go twice as far, rather than leave next to nothing for another one."""


def parsed(reader: RequestReader) -> int:
    return len(reader.queue)


def drained(reader: RequestReader) -> int:
    """How many requests there are in all, when each is answered at once."""
    total = 0
    while reader.queue or reader.unparsed:
        if not reader.queue:
            reader.parse_more()
            assert parsed(reader) <= MOST_PARSED
        reader.queue.popleft()
        total += 1
    return total


@pytest.mark.parametrize(
    "head",
    [
        b"",
        TINY,
        b"\r\n" * 200 + TINY,
        CHUNKED,
        SIZED,
        b"PUT /c HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n" + b"x" * 20_000,
    ],
    ids=["nothing", "a request", "empty lines", "a chunked body", "a small body", "a large body"],
)
@pytest.mark.parametrize("fields", [b"", b"a:\r\n" * 90])
def test_of_a_pipeline_only_a_few_requests_are_parsed_and_none_is_lost(head: bytes, fields: bytes) -> None:
    tiny = TINY[:-2] + fields + b"\r\n"
    count = 262_144 // len(tiny)
    reader = read(head + tiny * count)
    assert parsed(reader) <= MOST_PARSED
    assert reader.unparsed
    assert drained(reader) in (count, count + 1)
    assert reader.refusal is None


def test_what_comes_while_some_is_held_back_waits_its_turn() -> None:
    reader = read(TINY * 1000)
    reader.feed(b"GET /last HTTP/1.1\r\nHost:a\r\n\r\n")
    seen = []
    while reader.queue or reader.unparsed:
        if not reader.queue:
            reader.parse_more()
        seen.append(reader.queue.popleft().framing.target)
    assert seen == [b"/"] * 1000 + [b"/last"]


def test_behind_an_upgrade_all_that_came_belongs_to_the_other_protocol() -> None:
    asked = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
    rest = b"\r\n\r\n".join([b"x" * 300] * 100)
    reader = read(asked + rest)
    assert reader.awaiting_upgrade
    assert reader.after_upgrade == rest


def test_a_refusal_in_a_long_pipeline_is_found_in_its_turn() -> None:
    reader = read(TINY * 1000 + b"GET / HTTP/1.1\r\n\r\n" + TINY)
    total = 0
    while reader.queue or reader.unparsed:
        if not reader.queue:
            reader.parse_more()
        while reader.queue:
            reader.queue.popleft()
            total += 1
    assert total == 1000
    assert reader.refusal is not None
    assert reader.refusal.reason == "host"


def chunks(size: int, count: int) -> bytes:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%s\r\n" % (size, b"x" * size) * count


def test_a_body_of_small_chunks_is_kept_in_few_pieces() -> None:
    reader = read(chunks(3, 30_000))
    assert reader.refusal is None
    request = reader.queue[0]
    assert request.buffered == 90_000
    assert len(request.parts) <= MOST_PARTS + 1


def test_chunks_of_one_byte_are_borne_for_a_while() -> None:
    reader = read(chunks(1, 80_000) + b"0\r\n\r\n")
    assert reader.refusal is None
    assert reader.queue[0].complete


@pytest.mark.parametrize(
    "stream", [chunks(1, 100_000), chunks(0, 0) + (b"1;" + b"e" * 1000 + b"\r\nx\r\n") * 400], ids=["tiny", "extended"]
)
def test_a_body_that_is_hardly_more_than_framing_is_refused(stream: bytes) -> None:
    reader = read(*(stream[at : at + 65_536] for at in range(0, len(stream), 65_536)))
    assert reader.refusal is not None
    assert (reader.refusal.status, reader.refusal.reason) == (400, "chunks")


def test_a_large_chunk_pays_for_no_small_ones() -> None:
    reader = RequestReader(Limits())
    reader.feed(chunks(1_000_000, 1))
    for _ in range(40):
        reader.feed(b"1\r\nx\r\n" * 3000)
    assert reader.refusal is not None
