"""One client request as it arrives: its checked head, and the part of its body that is in memory."""

from __future__ import annotations

from ..core.headers import Field, trailer_lines
from .request_framing import Body, RequestShape


class Request:
    """Filled by the client connection, emptied by the relay."""

    __slots__ = (
        "buffered",
        "complete",
        "fields",
        "keep_alive",
        "method",
        "parts",
        "received",
        "shape",
        "trailers",
        "version",
    )

    def __init__(
        self, method: str, version: str, fields: list[Field], shape: RequestShape, *, keep_alive: bool
    ) -> None:
        self.method = method
        self.version = version
        self.fields = fields
        self.shape = shape
        self.keep_alive = keep_alive
        self.parts: list[bytes] = []
        self.buffered = 0
        """Body bytes in `parts`."""
        self.received = 0
        """Body bytes so far, whether still here or gone to a backend."""
        self.trailers: list[Field] = []
        self.complete = shape.body is Body.NONE

    def add(self, part: bytes) -> None:
        """One more piece of the body has come."""
        self.parts.append(part)
        self.buffered += len(part)
        self.received += len(part)

    def join(self) -> None:
        """Make one piece of all that are here."""
        self.parts = [b"".join(self.parts)]

    def peek(self) -> bytes:
        """What is buffered, framed for the wire, and kept for another attempt."""
        return encode_body(self.shape.body, self.parts, self.trailers if self.complete else None)

    def take(self) -> bytes:
        """What is buffered, framed for the wire, and gone after this."""
        data = self.peek()
        self.parts = []
        self.buffered = 0
        return data


def encode_body(body: Body, parts: list[bytes], trailers: list[Field] | None) -> bytes:
    """Body parts as the wire wants them. `trailers` is None while more is to come (RFC 9112 §7.1)."""
    if body is not Body.CHUNKED:
        return parts[0] if len(parts) == 1 else b"".join(parts)
    data = b"".join(parts)
    chunk = b"%x\r\n%s\r\n" % (len(data), data) if data else b""  # an empty chunk would end the body
    return chunk if trailers is None else b"%s0\r\n%s\r\n" % (chunk, trailer_lines(trailers))
