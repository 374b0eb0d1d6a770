"""Heads of answers that are read although llhttp refuses them, and those that stay refused."""

from __future__ import annotations

from itertools import pairwise

import pytest

from lb.proxy.response_repair import PartialHead, repaired

GOOD = b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "head", "expected"),
    [
        ("GET", b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n", GOOD),
        ("GET", b"HTTP/1.1 200 OK\r\nX \t : y\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No\r\nContent-Length: +2\r\nX: y\r\n\r\n", b"HTTP/1.1 204 No\r\nX: y\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No\r\nContent-Length: 2\r\ncontent-length: 3\r\n\r\n", b"HTTP/1.1 204 No\r\n\r\n"),
        ("GET", b"HTTP/1.0 304\r\nTransfer-Encoding: chunked\r\nContent-Length : \r\n\r\n", b"HTTP/1.0 304\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\nX: y\r\n\r\n", GOOD),
        ("GET", b"HTTP/1.1 103 \r\nContent-Length: 2, 2\r\nX: y\r\n\r\n", b"HTTP/1.1 103 \r\nX: y\r\n\r\n"),
    ],
)
def test_what_leaves_no_doubt_is_mended(method: str, head: bytes, expected: bytes) -> None:
    assert repaired(head, method) == expected


@pytest.mark.parametrize(
    "head",
    [
        GOOD,
        b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nX : y\r\n\r\n",
        b"HTTP/1.1 600 Huh\r\nX : y\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nX : y\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nX : y\r\n\r\n",
    ],
)
def test_what_is_right_or_in_doubt_is_left_alone(head: bytes) -> None:
    assert repaired(head, "GET") is None


def test_a_head_is_waited_for_and_what_follows_it_is_kept() -> None:
    interim = b"HTTP/1.1 103 Early\r\n\r\n"
    whole = interim + b"HTTP/1.1 200 OK\r\nX : y\r\n\r\nbody"
    for cut in range(len(interim) + 20, len(whole)):
        draft = PartialHead()
        draft.interims = 1
        got = b""
        for start, end in pairwise((0, cut, len(whole))):
            fed = draft.repair(whole[start:end], "GET") if not got else whole[start:end]
            assert fed is not None
            got += fed
        assert got == GOOD + b"body"
        assert not draft.refused


def test_what_is_no_status_line_is_not_waited_for() -> None:
    assert PartialHead().repair(b"SSH-2.0-OpenSSH\r\n", "GET") is None
