"""WebSocket frames, against RFC 6455's own examples and every way to cut them."""

from __future__ import annotations

import pytest

from lab.traffic.cookies import CookieJars
from lab.traffic.frames import BINARY, PONG, TEXT, FrameDecoder, FrameError, client_frame

HELLO = bytes.fromhex("810548656c6c6f")
"""RFC 6455 §5.7: an unmasked text message "Hello"."""


def test_the_rfcs_example_is_read_however_it_is_cut() -> None:
    for cut in range(len(HELLO) + 1):
        frames = FrameDecoder()
        assert [*frames.feed(HELLO[:cut]), *frames.feed(HELLO[cut:])] == [(TEXT, b"Hello")]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_what_is_masked_is_unmasked_again_by_the_rfcs_rule(size: int) -> None:
    payload = bytes(index % 251 for index in range(size))
    frame = client_frame(BINARY, payload)
    head = 2 + (0 if size < 126 else 2 if size < 65_536 else 8)
    assert frame[1] & 0x80
    key, body = frame[head : head + 4], frame[head + 4 :]
    assert bytes(each ^ key[index % 4] for index, each in enumerate(body)) == payload
    unmasked = bytes((frame[0], frame[1] & 0x7F)) + frame[2:head] + payload
    assert [*FrameDecoder().feed(unmasked)] == [(BINARY, payload)]


@pytest.mark.parametrize("head", ["c105", "0105", "8185", "827f7fffffffffffffff"])
def test_what_no_server_may_send_is_refused(head: str) -> None:
    with pytest.raises(FrameError):
        [*FrameDecoder().feed(bytes.fromhex(head) + b"Hello")]


def test_two_frames_at_once() -> None:
    assert [*FrameDecoder().feed(HELLO + bytes((0x80 | PONG, 0)))] == [(TEXT, b"Hello"), (PONG, b"")]


def test_a_session_keeps_its_own_cookies_and_forgets_empty_ones() -> None:
    jars = CookieJars()
    jars.store(1, ("lb=a.x", "theme=dark"))
    jars.store(2, ("lb=b.y",))
    jars.store(None, ("lb=nobody",))
    assert (jars.of(1), jars.of(2), jars.of(None)) == ("lb=a.x; theme=dark", "lb=b.y", "")
    jars.store(1, ("lb=",))
    assert jars.of(1) == "theme=dark"
