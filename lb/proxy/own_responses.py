"""The responses of the balancer itself. They have short fixed bodies that contain nothing from the request."""

from __future__ import annotations

from functools import cache
from math import ceil
from typing import Final

from ..core.exchange import Failure
from ..core.headers import STATUS_LINES

FINAL_FAILURES: Final = {
    Failure.REFUSED: (502, "refused"),
    Failure.EXHAUSTED: (503, "exhausted"),
    Failure.CONNECT_TIMEOUT: (504, "connect_timeout"),
    Failure.RESET: (502, "reset"),
    Failure.TIMEOUT: (504, "timeout"),
    Failure.BAD_RESPONSE: (502, "bad_response"),
    Failure.GATEWAY: (502, "gateway"),
    Failure.TRUNCATED: (502, "truncated"),
}
"""Status and `X-Lb-Error` after the last attempt has failed: 504 for a time-out, 503 if the balancer itself lacks
resources, else 502."""

_ALLOW: Final = b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"


def own_response(
    status: int,
    reason: str,
    *,
    retry_after: float | None = None,
    extra: bytes = b"",
    close: bool = True,
    body: bool = True,
) -> bytes:
    """Return a complete response. `extra` are further header lines, `retry_after` seconds; `body` is False for HEAD."""
    head, text = _template(status, reason)
    wait = b"Retry-After: %d\r\n" % ceil(retry_after) if retry_after is not None else b""
    connection = b"Connection: close\r\n" if close else b""
    return b"%s%s%s%s\r\n%s" % (head, wait, extra, connection, text if body else b"")


@cache
def _template(status: int, reason: str) -> tuple[bytes, bytes]:
    line = STATUS_LINES[status]
    text = line[len(b"HTTP/1.1 ") : -2] + b"\n"
    allow = _ALLOW if status == 405 else b""  # required by RFC 9110 §15.5.6
    head = b"%sContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nX-Lb-Error: %s\r\n%s" % (
        line,
        len(text),
        reason.encode(),
        allow,
    )
    return head, text
