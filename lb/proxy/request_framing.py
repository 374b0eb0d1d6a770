"""Strict checks of request heads: which requests are refused, and how the bodies of the others are framed.

llhttp refuses most of what RFC 9112 forbids. This module refuses what llhttp accepts but other parsers may interpret
differently, because request smuggling exploits these differences.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

from ..core.headers import LOOKALIKES, Field, connection_named
from .limits import Limits


class Body(Enum):
    """How the end of a body is determined (RFC 9112 §6.3)."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"
    EOF = "eof"


class MalformedError(Exception):
    """A message must not be forwarded. `status` and `reason` (the value of `X-Lb-Error`) are those of the refusal."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason


@dataclass(slots=True, init=False)
class RequestFraming:
    """Target, host, body framing and other facts from the framing and routing fields of a request."""

    target: bytes
    """The request target in origin form, or `*`."""
    host: bytes
    body: Body
    length: int
    removed: frozenset[bytes]
    """Fields that are not forwarded: those named by `Connection`, and `Expect` of HTTP/1.0."""
    upgrade: bytes
    """The protocol of a requested upgrade, or empty bytes."""
    expects_continue: bool
    trailers_welcome: bool
    special: dict[bytes, bytes]
    """The values of all inspected fields, by lower-case name."""

    def __init__(  # explicit, as in all classes instantiated for each request: docs/decisions/0010
        self,
        target: bytes,
        host: bytes,
        body: Body,
        length: int,
        removed: frozenset[bytes],
        *,
        upgrade: bytes,
        expects_continue: bool,
        trailers_welcome: bool,
        special: dict[bytes, bytes],
    ) -> None:
        self.target = target
        self.host = host
        self.body = body
        self.length = length
        self.removed = removed
        self.upgrade = upgrade
        self.expects_continue = expects_continue
        self.trailers_welcome = trailers_welcome
        self.special = special


NO_NAMES: Final[frozenset[bytes]] = frozenset()
_NO_REMOVAL: Final = frozenset({b"keep-alive", b"close"})
"""Usual values of `Connection`. They name no field that would be forwarded."""
_MAX_LENGTH: Final = 2**63 - 1
"""The largest length that every backend can represent: a signed 64-bit integer."""
_ONCE: Final = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect"})
_INSPECTED_IN_REQUESTS: Final = _ONCE | {
    b"authorization",
    b"connection",
    b"idempotency-key",
    b"te",
    b"upgrade",
    b"x-request-id",
}
_HOST: Final = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+;=%-]*|\[[0-9A-Fa-f:.v]+\])(?::[0-9]{0,5})?")
_ABSOLUTE: Final = re.compile(rb"(?i:(https?))://([^/?#]+)([!-~]*)")
_DEFAULT_PORT: Final = {b"http": b":80", b"https": b":443"}
_NOT_HTTP: Final = (b"RTSP/", b"ICE/")
"""Protocols that llhttp accepts as HTTP."""
_TAB_BEFORE_CODING: Final = re.compile(rb"(?i)\ntransfer-encoding: *\t")
_TRAILERS: Final = re.compile(rb"(?i)(?:^|,)[ \t]*trailers[ \t]*(?:;|,|$)")


def check_request(
    method: str, target: bytes, version: str, fields: Sequence[Field], limits: Limits, raw: Sequence[bytes]
) -> RequestFraming:
    """Check a request head. `raw` are the segments that contain it, for facts that llhttp does not report.

    Raise MalformedError. Then the connection must be closed, because its framing cannot be trusted.
    """
    _check_start(method, target, version, limits)
    if len(fields) > limits.fields:
        raise MalformedError(431, "fields")
    special = collect(fields, _INSPECTED_IN_REQUESTS, _ONCE)
    at = len(method) + len(target) + 2
    if not raw or raw[0][at : at + 5] != b"HTTP/":  # not at the start of a segment: search for it
        _check_protocol(method, target, raw)
    host = _host(special.get(b"host"), version)
    if not target.startswith(b"/"):
        target, host = _origin_form(method, target, host if b"host" in special else None)
    elif b"#" in target:
        raise MalformedError(400, "target")
    if limits.refuse_lookalikes and any(lower in LOOKALIKES for _, lower, _ in fields):
        raise MalformedError(400, "lookalike")
    body, length = _request_body(special, version, limits, raw)
    removed = removed_fields(special)
    if version == "1.0" and b"expect" in special:
        removed |= {b"expect"}  # RFC 9110 §10.1.1: ignored, so it must not reach an HTTP/1.1 backend
    return RequestFraming(
        target,
        host,
        body,
        length,
        removed,
        upgrade=_upgrade(special, removed, version) if b"upgrade" in special else b"",
        expects_continue=_expects_continue(special.get(b"expect"), version),
        trailers_welcome=b"te" in special and _TRAILERS.search(special[b"te"]) is not None,
        special=special,
    )


def head_size(fields: Sequence[Field]) -> int:
    """Return the size of the fields in bytes, without optional white space."""
    return sum(len(name) + len(value) + 4 for name, _, value in fields)


def parse_error(error: Exception) -> MalformedError:
    """Return the refusal for an error of llhttp."""
    text = str(error)
    if text == "Invalid HTTP version":
        return MalformedError(505, "version")
    if text == "Content-Length overflow":
        return MalformedError(400, "framing")
    return MalformedError(400, "syntax")


def _check_start(method: str, target: bytes, version: str, limits: Limits) -> None:
    if version not in ("1.1", "1.0"):
        raise MalformedError(505, "version")
    if method in ("CONNECT", "TRACE"):
        raise MalformedError(405, "method")
    if len(target) > limits.target:
        raise MalformedError(414, "target")


def collect(fields: Sequence[Field], inspected: frozenset[bytes], once: frozenset[bytes]) -> dict[bytes, bytes]:
    """Return the values of the inspected fields by lower-case name. Raise `MalformedError` if one of `once` is
    repeated."""
    special: dict[bytes, bytes] = {}
    for _, lower, value in fields:
        if lower in inspected:
            if lower not in special:
                special[lower] = value.strip(b" \t")
            elif lower in once:
                raise MalformedError(400, "repeated")
            else:
                special[lower] += b", " + value
    return special


def removed_fields(special: dict[bytes, bytes]) -> frozenset[bytes]:
    """Return the fields that `Connection` names."""
    connection = special.get(b"connection")
    if connection is None or connection.lower() in _NO_REMOVAL:
        return NO_NAMES
    return connection_named(connection)


def _host(value: bytes | None, version: str) -> bytes:
    if value is None:
        if version == "1.0":
            return b""
        raise MalformedError(400, "host")
    if not _is_host(value):
        raise MalformedError(400, "host")
    return value


@lru_cache(maxsize=256)
def _is_host(value: bytes) -> bool:
    """Return whether `value` is a valid host.

    The result is cached, because most requests name the same few hosts. A host is not longer than a head, so the cache
    takes at most 8 MiB.
    """
    return _HOST.fullmatch(value) is not None


def _origin_form(method: str, target: bytes, host: bytes | None) -> tuple[bytes, bytes]:
    """Return the target in the form for a backend, and its host (RFC 9112 §3.2).

    `host` is None without a `Host` field, which HTTP/1.0 allows.

    The authority of an absolute form replaces `Host`, which must name the same one; a default port makes no difference.
    """
    if target == b"*" and method == "OPTIONS":
        return target, host or b""
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or b"#" in target:
        raise MalformedError(400, "target")
    scheme, authority, rest = absolute[1].lower(), absolute[2], absolute[3]
    named = _normal(authority, scheme)
    if not named or not _is_host(authority) or (host is not None and _normal(host, scheme) != named):
        raise MalformedError(400, "target")
    if not rest and method == "OPTIONS":
        return b"*", authority  # RFC 9112 §3.2.4
    return rest if rest.startswith(b"/") else b"/" + rest, authority


def _normal(authority: bytes, scheme: bytes) -> bytes:
    """Return the authority in lower case and without an empty or default port (RFC 9110 §4.2.3)."""
    return authority.lower().removesuffix(_DEFAULT_PORT[scheme]).removesuffix(b":")


def _check_protocol(method: str, target: bytes, raw: Sequence[bytes]) -> None:
    """Refuse requests of other protocols that look like HTTP, which llhttp accepts."""
    head, line = b"".join(raw), b"%s %s " % (method.encode(), target)
    if any(line + protocol in head for protocol in _NOT_HTTP):
        raise MalformedError(400, "protocol")


def _request_body(special: dict[bytes, bytes], version: str, limits: Limits, raw: Sequence[bytes]) -> tuple[Body, int]:
    coding = special.get(b"transfer-encoding")
    if coding is not None:
        check_coding(coding, version, has_length=b"content-length" in special)
        if _TAB_BEFORE_CODING.search(b"".join(raw)):
            raise MalformedError(400, "framing")
        return Body.CHUNKED, 0
    length = special.get(b"content-length")
    if length is None:
        return Body.NONE, 0
    size = length_of(length)
    if size > limits.body:
        raise MalformedError(413, "body")
    return Body.LENGTH, size


def check_coding(coding: bytes, version: str, *, has_length: bool) -> None:
    """Raise MalformedError unless the coding is `chunked` (RFC 9112 §6.1, §6.3): 400 for variants of it, which indicate
    an attack, 501 for other codings."""
    if has_length or version == "1.0":
        raise MalformedError(400, "framing")
    if coding.lower() != b"chunked":
        raise MalformedError(400 if b"chunked" in coding.lower() else 501, "framing")


def length_of(value: bytes) -> int:
    """Return the value of a `Content-Length`. Raise `MalformedError`."""
    if not value.isdigit() or len(value) > 19 or (length := int(value)) > _MAX_LENGTH:
        raise MalformedError(400, "framing")
    return length


def _upgrade(special: dict[bytes, bytes], removed: frozenset[bytes], version: str) -> bytes:
    """Return the requested protocol. `h2c` is ignored: RFC 9113 §3.1 obsoletes it, and its tunnel would hide
    requests."""
    upgrade = special[b"upgrade"]
    if b"upgrade" not in removed or version == "1.0" or b"h2c" in upgrade.lower():
        return b""
    return upgrade


def _expects_continue(value: bytes | None, version: str) -> bool:
    """Return whether the client waits for `100 Continue`, the only expectation (RFC 9110 §10.1.1). HTTP/1.0 has
    none."""
    if value is None or version == "1.0":
        return False
    if value.lower() != b"100-continue":
        raise MalformedError(417, "expect")
    return True
