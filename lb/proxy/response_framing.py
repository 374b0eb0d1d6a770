"""The strict reading of an answer's head: which ones are refused, and how long the body of the others is.

What an answer may have wrong, and what then becomes of it, is listed in docs/data-plane.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..core.headers import Field
from .limits import Limits
from .request_framing import NO_NAMES, Body, MalformedError, check_coding, collect, length_of, removed_fields


@dataclass(slots=True, init=False)
class ResponseShape:
    """What the framing fields of one response come to."""

    body: Body
    length: int
    removed: frozenset[bytes]
    """Fields that do not pass: those named by `Connection`, and framing that means nothing here."""
    upgrade: bytes
    private: bool
    """The backend speaks of an authentication that belongs to the connection."""
    mended: bool
    """It has framing fields that an answer of this kind cannot have: a body may follow all the same."""

    def __init__(self, body: Body, length: int, removed: frozenset[bytes], upgrade: bytes) -> None:
        self.body = body
        self.length = length
        self.removed = removed
        self.upgrade = upgrade
        self.private = False
        self.mended = False


@dataclass(slots=True, init=False)
class Answer:
    """A complete and acceptable response head."""

    status: int
    fields: list[Field]
    shape: ResponseShape

    def __init__(self, status: int, fields: list[Field], shape: ResponseShape) -> None:
        self.status = status
        self.fields = fields
        self.shape = shape


_CHALLENGES: Final = frozenset({b"www-authenticate", b"proxy-authenticate", b"persistent-auth"})
_INSPECTED_IN_RESPONSES: Final = _CHALLENGES | {b"content-length", b"transfer-encoding", b"connection", b"upgrade"}
_ONCE_IN_RESPONSES: Final = frozenset({b"content-length", b"transfer-encoding"})
_NO_BODY: Final = frozenset({204, 304})
_LENGTH: Final = frozenset({b"content-length"})
_CONNECTION_SCHEMES: Final = re.compile(rb"(?i)(?:^|[,\s])(?:ntlm|negotiate|nego2|kerberos)(?:$|[,\s])")
"""RFC 4559 §6, [MS-NLMP], [MS-N2HT]: whoever speaks next on the connection speaks as its user. A match inside a quoted
string only costs a connection its other clients."""
_OTHER_AFTER_INTERIM: Final = re.compile(rb"(?:HTTP/1\.1 1\d\d[^\n]*\n(?:[^\r\n][^\n]*\n)*\r\n)+(?:RTSP|ICE)/")


def check_response(method: str, status: int, version: str, fields: Sequence[Field], limits: Limits) -> ResponseShape:
    """Judge one response head. Raises `MalformedError` (its status is 502): the connection must not be used again."""
    if version not in ("1.1", "1.0") or not 100 <= status < 600 or len(fields) > limits.fields:
        raise MalformedError(502, "bad_response")
    bodiless = status in _NO_BODY or status < 200 or method == "HEAD"  # `has_no_body` without its call
    special = collect(fields, _INSPECTED_IN_RESPONSES, NO_NAMES if bodiless else _ONCE_IN_RESPONSES)
    body, length = (Body.NONE, 0) if bodiless else _response_body(version, special)
    shape = ResponseShape(body, length, removed_fields(special), special.get(b"upgrade", b""))
    if bodiless:
        _leave_out_framing(shape, method, status, special)
    if not _CHALLENGES.isdisjoint(special):
        shape.private = _binds_connection(special)
    return shape


def has_no_body(method: str, status: int) -> bool:
    """Whether an answer ends with its head, whatever its fields say (RFC 9112 §6.3, rule 1)."""
    return status in _NO_BODY or status < 200 or method == "HEAD"


def is_http(data: bytes) -> bool:
    """Whether an answer that begins with `data` may be HTTP: llhttp takes RTSP/1.0 and ICE/1.0 for HTTP/1.0."""
    return data.lstrip(b"\r\n")[:1] in (b"H", b"")


def is_http_after_interim(data: bytes) -> bool:
    """Whether what follows the 1xx at the beginning of `data` may be HTTP."""
    return _OTHER_AFTER_INTERIM.match(data) is None


def _response_body(version: str, special: dict[bytes, bytes]) -> tuple[Body, int]:
    coding, length = special.get(b"transfer-encoding"), special.get(b"content-length")
    if coding is not None:
        check_coding(coding, version, has_length=length is not None)
        return Body.CHUNKED, 0
    if length is not None:
        return Body.LENGTH, length_of(length)
    return Body.EOF, 0


def _leave_out_framing(shape: ResponseShape, method: str, status: int, special: dict[bytes, bytes]) -> None:
    """Remove framing fields from an answer without a body where they claim that it has one, or make no sense.

    In a 1xx and a 204 neither field may be there (RFC 9110 §8.6, RFC 9112 §6.1); `Content-Length: 0` is common and
    harmless. In a 304 and in answers to HEAD they describe the body of another answer, if they make sense.
    `Transfer-Encoding` is never passed on.
    """
    coding, length = special.get(b"transfer-encoding"), special.get(b"content-length")
    if status == 304 or (method == "HEAD" and status >= 200 and status != 204):
        shape.mended = length is not None and (coding is not None or not length.isdigit())
    else:
        shape.mended = coding is not None or length not in (None, b"0")
        if length is not None:
            shape.removed |= _LENGTH
    if shape.mended:
        shape.removed |= _LENGTH


def _binds_connection(special: dict[bytes, bytes]) -> bool:
    """Whether an answer's challenges make its connection one client's own."""
    return b"persistent-auth" in special or any(binds_connection(special.get(name, b"")) for name in _CHALLENGES)


def binds_connection(value: bytes) -> bool:
    """Whether credentials or a list of challenges name a scheme that authenticates the connection, not the request."""
    return _CONNECTION_SCHEMES.search(value) is not None


def offers(asked: bytes, chosen: bytes) -> bool:
    """Whether the client asked for the protocols that the backend switches to (RFC 9110 §7.8); names without case."""
    offered = {protocol.strip().lower() for protocol in asked.split(b",")}
    return bool(chosen) and all(protocol.strip().lower() in offered for protocol in chosen.split(b","))
