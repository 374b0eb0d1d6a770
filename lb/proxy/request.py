"""One client request: its checked head, and the part of its body that is in memory."""

from __future__ import annotations

from ..core.headers import Field, trailer_lines
from .request_framing import Body, RequestFraming


class Request:
    """A request. The request reader adds its body, and the relay takes it."""

    __slots__ = (
        "buffered",
        "complete",
        "fields",
        "framing",
        "keep_alive",
        "method",
        "parts",
        "received",
        "trailers",
        "version",
    )

    def __init__(
        self, method: str, version: str, fields: list[Field], framing: RequestFraming, *, keep_alive: bool
    ) -> None:
        self.method = method
        self.version = version
        self.fields = fields
        self.framing = framing
        self.keep_alive = keep_alive
        self.parts: list[bytes] = []
        self.buffered = 0
        """Body bytes in `parts`."""
        self.received = 0
        """Body bytes received so far, including those that were sent to a backend."""
        self.trailers: list[Field] = []
        self.complete = framing.body is Body.NONE

    def add(self, part: bytes) -> None:
        """Add a part of the body."""
        self.parts.append(part)
        self.buffered += len(part)
        self.received += len(part)

    def join(self) -> None:
        """Join the parts of the body into one."""
        self.parts = [b"".join(self.parts)]

    def peek(self) -> bytes:
        """Return the buffered body, encoded for a backend, and keep it for another attempt."""
        return encode_body(self.framing.body, self.parts, self.trailers if self.complete else None)

    def take(self) -> bytes:
        """Remove the buffered body and return it, encoded for a backend."""
        data = self.peek()
        self.parts = []
        self.buffered = 0
        return data


def encode_body(body: Body, parts: list[bytes], trailers: list[Field] | None) -> bytes:
    """Return parts of a body, encoded (RFC 9112 §7.1). `trailers` is None unless these are the last ones."""
    if body is not Body.CHUNKED:
        return parts[0] if len(parts) == 1 else b"".join(parts)
    data = b"".join(parts)
    chunk = b"%x\r\n%s\r\n" % (len(data), data) if data else b""  # an empty chunk would end the body
    return chunk if trailers is None else b"%s0\r\n%s\r\n" % (chunk, trailer_lines(trailers))
