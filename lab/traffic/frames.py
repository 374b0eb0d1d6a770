"""WebSocket frames (RFC 6455 §5) for the client of an echo server: unfragmented, without extensions."""

from __future__ import annotations

import os
from collections.abc import Iterator

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_FINAL, _MASKED = 0x80, 0x80
_LARGEST = 64 * 1024 * 1024


class FrameError(ValueError):
    """The server sent bytes that are not a frame this client supports."""


def client_frame(kind: int, payload: bytes) -> bytes:
    """Return a complete frame, masked as clients must (§5.3)."""
    size, key = len(payload), os.urandom(4)
    if size < 126:
        head = bytes((_FINAL | kind, _MASKED | size))
    elif size < 1 << 16:
        head = bytes((_FINAL | kind, _MASKED | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((_FINAL | kind, _MASKED | 127)) + size.to_bytes(8, "big")
    pad = (key * (size // 4 + 1))[:size]
    body = int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")
    return head + key + body.to_bytes(size, "big")


class FrameDecoder:
    """Decodes the frames of a server from a stream of bytes."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield kind and payload of every frame that these bytes complete. Raise FrameError."""
        self._rest += data
        while (frame := self._next()) is not None:
            yield frame

    def _next(self) -> tuple[int, bytes] | None:
        rest = self._rest
        if len(rest) < 2:
            return None
        if rest[0] & 0x70 or not rest[0] & _FINAL or rest[1] & _MASKED:
            raise FrameError("an extension, a fragment, or a masked frame from a server")
        extra = {126: 2, 127: 8}.get(rest[1], 0)
        start = 2 + extra
        if len(rest) < start:
            return None
        size = int.from_bytes(rest[2:start], "big") if extra else rest[1]
        if size > _LARGEST:
            raise FrameError(f"a frame of {size} bytes")
        if len(rest) < start + size:
            return None
        frame = rest[0] & 0x0F, bytes(rest[start : start + size])
        del rest[: start + size]
        return frame
