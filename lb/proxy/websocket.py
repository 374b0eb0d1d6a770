"""The part of WebSocket (RFC 6455) that is needed to insert a close frame between two frames of a forwarded stream."""

from __future__ import annotations

import os
from typing import Final

GOING_AWAY: Final = 1001
"""Close code of an endpoint that is going away, such as a stopping server (RFC 6455 §7.4.1)."""
_CLOSE: Final = 0x88
_MASKED: Final = 0x80


class Frames:
    """Tracks the frame boundaries of one direction of a connection. It buffers at most one frame head."""

    def __init__(self) -> None:
        self._head = b""
        self._payload = 0

    @property
    def at_boundary(self) -> bool:
        """Whether a frame may begin here."""
        return not self._head and not self._payload

    def feed(self, data: bytes) -> None:
        """Process bytes that have passed."""
        position, size = 0, len(data)
        while position < size:
            if self._payload:
                step = min(self._payload, size - position)
                self._payload -= step
                position += step
                continue
            missing = _head_size(self._head) - len(self._head)
            self._head += data[position : position + missing]
            position += missing
            if len(self._head) == _head_size(self._head):
                self._payload = _payload_size(self._head)
                self._head = b""


def close_frame(*, masked: bool) -> bytes:
    """Return a close frame with `GOING_AWAY`. Frames to a server are masked, those to a client are not (§5.1)."""
    code = GOING_AWAY.to_bytes(2, "big")
    if not masked:
        return bytes((_CLOSE, len(code))) + code
    key = os.urandom(4)
    return bytes((_CLOSE, _MASKED | len(code))) + key + bytes(byte ^ key[at] for at, byte in enumerate(code))


def _head_size(head: bytes) -> int:
    """Return the size of the frame head that begins with `head` (§5.2), or 2 if that is not known yet."""
    if len(head) < 2:
        return 2
    length = head[1] & 0x7F
    return 2 + {126: 2, 127: 8}.get(length, 0) + (4 if head[1] & _MASKED else 0)


def _payload_size(head: bytes) -> int:
    length = head[1] & 0x7F
    if length < 126:
        return length
    return int.from_bytes(head[2 : 4 if length == 126 else 10], "big")
