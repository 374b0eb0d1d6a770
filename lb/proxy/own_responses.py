"""The answers that the balancer makes itself: fixed short bodies that repeat nothing the client sent."""

from __future__ import annotations

from functools import cache
from math import ceil
from typing import Final

from ..core.exchange import Failure
from ..core.headers import STATUS_LINES

GAVE_UP: Final = {
    Failure.REFUSED: (502, "refused"),
    Failure.EXHAUSTED: (503, "exhausted"),
    Failure.CONNECT_TIMEOUT: (504, "connect_timeout"),
    Failure.RESET: (502, "reset"),
    Failure.TIMEOUT: (504, "timeout"),
    Failure.BAD_RESPONSE: (502, "bad_response"),
    Failure.GATEWAY: (502, "gateway"),
    Failure.TRUNCATED: (502, "truncated"),
}
"""Status and `X-Lb-Error` once the last attempt failed and no other follows: 504 where time ran out, 503 where
the balancer is at its own end, else 502."""

_ALLOW: Final = b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"


def answer(
    status: int,
    reason: str,
    *,
    retry_after: float | None = None,
    own: bytes = b"",
    close: bool = True,
    body: bool = True,
) -> bytes:
    """A complete response. `own` are further header lines; `body` is False for HEAD, which gets the same head."""
    head, text = _template(status, reason)
    wait = b"Retry-After: %d\r\n" % ceil(retry_after) if retry_after is not None else b""
    connection = b"Connection: close\r\n" if close else b""
    return b"%s%s%s%s\r\n%s" % (head, wait, own, connection, text if body else b"")


@cache
def _template(status: int, reason: str) -> tuple[bytes, bytes]:
    line = STATUS_LINES[status]
    text = line[len(b"HTTP/1.1 ") : -2] + b"\n"
    allow = _ALLOW if status == 405 else b""  # RFC 9110 §15.5.6 asks for it
    head = b"%sContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nX-Lb-Error: %s\r\n%s" % (
        line,
        len(text),
        reason.encode(),
        allow,
    )
    return head, text
