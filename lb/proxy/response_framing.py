"""Strict checks of response heads: which responses are refused, and how the bodies of the others are framed.

docs/data-plane.md lists the faults of responses and how each is handled.
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
class ResponseFraming:
    """Body framing and other facts from the framing fields of a response."""

    body: Body
    length: int
    removed: frozenset[bytes]
    """Fields that are not forwarded: those named by `Connection`, and framing fields without meaning here."""
    upgrade: bytes
    private: bool
    """Whether the response mentions an authentication of the connection itself."""
    contradictory: bool
    """Whether it has framing fields that a response of this kind cannot have, so that a body may follow."""

    def __init__(self, body: Body, length: int, removed: frozenset[bytes], upgrade: bytes) -> None:
        self.body = body
        self.length = length
        self.removed = removed
        self.upgrade = upgrade
        self.private = False
        self.contradictory = False


@dataclass(slots=True, init=False)
class ResponseHead:
    """A complete and valid response head."""

    status: int
    fields: list[Field]
    framing: ResponseFraming

    def __init__(self, status: int, fields: list[Field], framing: ResponseFraming) -> None:
        self.status = status
        self.fields = fields
        self.framing = framing


_CHALLENGES: Final = frozenset({b"www-authenticate", b"proxy-authenticate", b"persistent-auth"})
_INSPECTED_IN_RESPONSES: Final = _CHALLENGES | {b"content-length", b"transfer-encoding", b"connection", b"upgrade"}
_ONCE_IN_RESPONSES: Final = frozenset({b"content-length", b"transfer-encoding"})
_NO_BODY: Final = frozenset({204, 304})
_LENGTH: Final = frozenset({b"content-length"})
_CONNECTION_SCHEMES: Final = re.compile(rb"(?i)(?:^|[,\s])(?:ntlm|negotiate|nego2|kerberos)(?:$|[,\s])")
"""Schemes that authenticate a connection, so that later requests on it act for the same user (RFC 4559 §6, [MS-NLMP],
[MS-N2HT]). A false match inside a quoted string only prevents other clients from using the connection."""
_OTHER_AFTER_INTERIM: Final = re.compile(rb"(?:HTTP/1\.1 1\d\d[^\n]*\n(?:[^\r\n][^\n]*\n)*\r\n)+(?:RTSP|ICE)/")


def check_response(method: str, status: int, version: str, fields: Sequence[Field], limits: Limits) -> ResponseFraming:
    """Check a response head. Raise `MalformedError` (with status 502): the connection must not be used again."""
    if version not in ("1.1", "1.0") or not 100 <= status < 600 or len(fields) > limits.fields:
        raise MalformedError(502, "bad_response")
    bodiless = status in _NO_BODY or status < 200 or method == "HEAD"  # `has_no_body`, inlined
    special = collect(fields, _INSPECTED_IN_RESPONSES, NO_NAMES if bodiless else _ONCE_IN_RESPONSES)
    body, length = (Body.NONE, 0) if bodiless else _response_body(version, special)
    framing = ResponseFraming(body, length, removed_fields(special), special.get(b"upgrade", b""))
    if bodiless:
        _leave_out_framing(framing, method, status, special)
    if not _CHALLENGES.isdisjoint(special):
        framing.private = _binds_connection(special)
    return framing


def has_no_body(method: str, status: int) -> bool:
    """Return whether a response ends with its head, whatever its fields say (RFC 9112 §6.3, rule 1)."""
    return status in _NO_BODY or status < 200 or method == "HEAD"


def is_http(data: bytes) -> bool:
    """Return whether a response that begins with `data` may be HTTP: llhttp also accepts RTSP/1.0 and ICE/1.0."""
    return data.lstrip(b"\r\n")[:1] in (b"H", b"")


def is_http_after_interim(data: bytes) -> bool:
    """Return whether the bytes after the 1xx responses at the start of `data` may be HTTP."""
    return _OTHER_AFTER_INTERIM.match(data) is None


def _response_body(version: str, special: dict[bytes, bytes]) -> tuple[Body, int]:
    coding, length = special.get(b"transfer-encoding"), special.get(b"content-length")
    if coding is not None:
        check_coding(coding, version, has_length=length is not None)
        return Body.CHUNKED, 0
    if length is not None:
        return Body.LENGTH, length_of(length)
    return Body.EOF, 0


def _leave_out_framing(framing: ResponseFraming, method: str, status: int, special: dict[bytes, bytes]) -> None:
    """Remove framing fields from a response without a body if they announce a body or are invalid.

    A 1xx and a 204 must have neither field (RFC 9110 §8.6, RFC 9112 §6.1); `Content-Length: 0` is common and harmless.
    In a 304, and in responses to HEAD, valid fields describe the body that a GET would have. `Transfer-Encoding` is
    never passed on.
    """
    coding, length = special.get(b"transfer-encoding"), special.get(b"content-length")
    if status == 304 or (method == "HEAD" and status >= 200 and status != 204):
        framing.contradictory = length is not None and (coding is not None or not length.isdigit())
    else:
        framing.contradictory = coding is not None or length not in (None, b"0")
        if length is not None:
            framing.removed |= _LENGTH
    if framing.contradictory:
        framing.removed |= _LENGTH


def _binds_connection(special: dict[bytes, bytes]) -> bool:
    """Return whether the challenges of a response bind its connection to one client."""
    return b"persistent-auth" in special or any(binds_connection(special.get(name, b"")) for name in _CHALLENGES)


def binds_connection(value: bytes) -> bool:
    """Return whether credentials or challenges name a scheme that authenticates the connection, not the request."""
    return _CONNECTION_SCHEMES.search(value) is not None


def offers(asked: bytes, chosen: bytes) -> bool:
    """Return whether the client requested the protocols that the backend switches to (RFC 9110 §7.8), ignoring case."""
    offered = {protocol.strip().lower() for protocol in asked.split(b",")}
    return bool(chosen) and all(protocol.strip().lower() in offered for protocol in chosen.split(b","))
