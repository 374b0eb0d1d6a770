from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lab.services.sse import SseParser

STREAM = b'id: 1\r\nevent: a\r\ndata: {"seq":1}\r\n\r\n: beat\n\nid: 2\ndata: two\ndata:lines\n\n'


def test_messages_comments_and_data_of_several_lines() -> None:
    assert SseParser().feed(STREAM) == ['{"seq":1}', "two\nlines"]


@given(st.lists(st.integers(min_value=1, max_value=12), max_size=60))
def test_it_does_not_matter_how_the_bytes_arrive(sizes: list[int]) -> None:
    parser, messages, rest = SseParser(), [], STREAM
    for size in sizes:
        messages += parser.feed(rest[:size])
        rest = rest[size:]
    messages += parser.feed(rest)
    assert messages == ['{"seq":1}', "two\nlines"]
