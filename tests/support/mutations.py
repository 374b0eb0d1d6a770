"""Strategies: real messages, changed a little where HTTP parsers are known to disagree."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import strategies as st

TOKENS = [
    b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b"\x0b", b"\x0c", b"\x7f", b"\x85", b"\xa0", b"\xff", b":", b";", b",",
    b"0", b"1", b"3", b"5", b"f", b"+", b"-", b"_", b"0x", b'"', b"\\", b"#", b"?", b"/", b"*", b"%", b"0\r\n\r\n",
    b"\r\n\r\n", b"\r\n ", b"\r\n\t", b"3\r\nabc\r\n", b"Content-Length: 3\r\n", b"Content-Length: 0\r\n",
    b"Content-Length:\r\n", b"Content-Length: 03\r\n", b"Content_Length: 3\r\n", b"content-length:3\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n", b"Transfer-Encoding: chunked, identity\r\n",
    b"Transfer-Encoding: x\r\n", b"Transfer-Encoding:\r\n", b"Transfer-Encoding: \r\n chunked\r\n", b"TE: trailers\r\n",
    b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Connection: upgrade\r\n", b"Upgrade: websocket\r\n",
    b"Connection: transfer-encoding, content-length\r\n", b"Connection: upgrade\r\nUpgrade: x\r\n", b"Host: b\r\n",
    b"Expect: 100-continue\r\n", b"Trailer: X\r\n", b"HTTP/1.0", b"HTTP/1.1", b"HTTP/1.10", b"http/1.1",
    b"GET", b"HEAD",
    b"GET / HTTP/1.1\r\nHost: s\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\xef\xbb\xbf", b"\xc3\xa9",
    b"Content-Encoding: gzip\r\n", b"Sec-WebSocket-Key: x\r\n",
]  # fmt: skip

KINDS = ("insert", "insert", "insert_line", "replace", "delete", "repeat", "case")


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One to three seeds in a row, with up to four changes."""
    data = b"".join(draw(st.lists(st.sampled_from(seeds), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.sampled_from(KINDS))
        token = draw(st.sampled_from(TOKENS))
        data = changed(data, at, kind, token, draw(st.integers(1, 12)))
    return data


def changed(data: bytes, at: int, kind: str, token: bytes, size: int) -> bytes:
    """The message with one change at this place."""
    match kind:
        case "insert":
            return data[:at] + token + data[at:]
        case "insert_line":  # at the next line's start: where a field or a chunk would stand
            line = data.find(b"\n", at) + 1
            return data[:line] + token + data[line:]
        case "replace":
            return data[:at] + token + data[at + len(token) :]
        case "delete":
            return data[:at] + data[at + size :]
        case "repeat":
            return data[: at + size] + data[at : at + size] + data[at + size :]
        case _:
            return data[:at] + data[at : at + size].swapcase() + data[at + size :]


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """The stream in segments."""
    edges = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(edges)]
