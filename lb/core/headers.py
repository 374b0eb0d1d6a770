"""Changes of a proxy to message heads: removal of hop-by-hop fields, provenance, and the balancer's own fields.

Pure functions on parsed fields. A field keeps the case that its sender chose. Sources: RFC 9110 §7.6 (Connection, Via),
RFC 7239 (Forwarded), RFC 9112 §6 (framing), docs/interfaces.md (the balancer's fields).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from ipaddress import IPv4Network, IPv6Network, ip_address
from itertools import product
from typing import Final

Field = tuple[bytes, bytes, bytes]
"""One header field: its name as received, its name in lower case, and its value."""

HOP_BY_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade"}
)
"""Fields that describe one connection and are not forwarded (RFC 9110 §7.6.1)."""

NEVER_REMOVED_BY_CONNECTION: Final = frozenset({b"host", b"content-length", b"transfer-encoding"})
"""Fields that routing and framing depend on. `Connection: host` must not remove them."""

_PROVENANCE: Final = frozenset(
    {b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port"}
)
_REWRITTEN_IN_REQUESTS: Final = (
    HOP_BY_HOP | _PROVENANCE | {b"host", b"content-length", b"x-request-id", b"x-deadline", b"proxy-authorization"}
)
LOOKALIKES: Final = (
    frozenset(
        b"".join(parts)
        for name in _REWRITTEN_IN_REQUESTS
        for parts in product(*([b"-", b"_"] if letter == 45 else [bytes((letter,))] for letter in name))
    )
    - _REWRITTEN_IN_REQUESTS
)
"""Names of the fields that the balancer rewrites, spelt with `_` in place of any `-`. They are never forwarded: CGI,
WSGI and PHP map both spellings to one variable, so a client could pass a forged `X_Forwarded_For` to the application.
"""
_DROPPED_FROM_REQUESTS: Final = _REWRITTEN_IN_REQUESTS | LOOKALIKES
_REWRITTEN_IN_RESPONSES: Final = (
    HOP_BY_HOP
    | {b"x-request-id", b"x-backend", b"x-tried", b"x-lb-error", b"x-lb-panic", b"proxy-authenticate"}
    | {b"x-load"}  # load reports are for the balancer
)

MAX_HOPS: Final = 32
"""Number of addresses at the end of an `X-Forwarded-For` that are examined. No request passes more trusted proxies, and
a 32 KiB list would cost some 30 ms."""

VIA: Final = b"Via: 1.1 reroute\r\n"

STATUS_LINES: Final = {
    code: b"HTTP/1.1 %d %s\r\n" % (code, HTTPStatus(code).phrase.encode() if code in set(HTTPStatus) else b"")
    for code in range(100, 600)  # RFC 9110 §15: others are invalid
}
"""Status lines with the balancer's reason phrases, which recipients may ignore (RFC 9112 §4)."""

_REQUEST_ID: Final = re.compile(rb"[!-~]{1,128}")

_SHORT_MS: Final = [b"%d.%02d" % divmod(hundredths, 100) for hundredths in range(1000)]

Network = IPv4Network | IPv6Network


class Peer:
    """The client's end of one connection, and whether the provenance fields of its requests are trusted."""

    __slots__ = ("_forwarded", "_plain", "address", "scheme", "trusted")

    def __init__(self, address: str, scheme: str = "http", trusted: Sequence[Network] = ()) -> None:
        self.address = address.encode("ascii", "replace")
        self.scheme = scheme.encode()
        self.trusted = is_within(address, trusted)
        node = b'"[%s]"' % self.address if b":" in self.address else self.address or b"unknown"
        self._forwarded = b"for=%s;proto=%s" % (node, self.scheme)
        self._plain = b"X-Forwarded-For: %s\r\nX-Forwarded-Proto: %s\r\n" % (self.address or b"unknown", self.scheme)

    def provenance(self, fields: Iterable[Field], host: bytes) -> bytes:
        """Return the `X-Forwarded-*` and `Forwarded` lines for a request with `fields` that was sent to `host`.

        For a trusted peer they extend the received ones. For any other peer the received ones are replaced.
        """
        if self.trusted:
            return self._extended(_merged(fields), host)
        return self._plain + b'X-Forwarded-Host: %s\r\nForwarded: %s;host="%s"\r\n' % (host, self._forwarded, host)

    def _extended(self, claimed: dict[bytes, bytes], host: bytes) -> bytes:
        ours = b'%s;host="%s"' % (self._forwarded, host)
        port = claimed.get(b"x-forwarded-port")
        return b"X-Forwarded-For: %s\r\nX-Forwarded-Proto: %s\r\nX-Forwarded-Host: %s\r\n%sForwarded: %s\r\n" % (
            _appended(claimed.get(b"x-forwarded-for"), self.address),
            claimed.get(b"x-forwarded-proto", self.scheme),
            claimed.get(b"x-forwarded-host", host),
            b"X-Forwarded-Port: %s\r\n" % port if port is not None else b"",
            _appended(claimed.get(b"forwarded"), ours),
        )


def connection_named(value: bytes) -> frozenset[bytes]:
    """Return the field names that a `Connection` value removes. `value` is all its lines joined with commas."""
    names = frozenset(name.strip(b" \t").lower() for name in value.split(b","))
    return names - NEVER_REMOVED_BY_CONNECTION


def request_id(offered: bytes | None, own: bytes) -> bytes:
    """Return the client's request id if it is safe to log and echo (visible ASCII, ≤ 128 bytes), else `own`."""
    return offered if offered is not None and _REQUEST_ID.fullmatch(offered) else own


def request_head(
    start_line: bytes, host: bytes, fields: Iterable[Field], removed: frozenset[bytes], provenance: bytes, own: bytes
) -> bytes:
    """Return the request head for the backend.

    `removed` are the fields named in `Connection`, `provenance` comes from `Peer.provenance`, and `own` is all lines
    that the caller adds: framing, request id, deadline, upgrade.
    """
    dropped = _DROPPED_FROM_REQUESTS | removed if removed else _DROPPED_FROM_REQUESTS
    kept = b"".join([b"%s: %s\r\n" % (name, value) for name, lower, value in fields if lower not in dropped])
    return b"%sHost: %s\r\n%s%s%s%s\r\n" % (start_line, host, kept, VIA, provenance, own)


def response_head(status: int, fields: Iterable[Field], removed: frozenset[bytes], own: bytes) -> bytes:
    """Return the response head for the client. For `removed` and `own` see `request_head`."""
    dropped = _REWRITTEN_IN_RESPONSES | removed if removed else _REWRITTEN_IN_RESPONSES
    kept = b"".join([b"%s: %s\r\n" % (name, value) for name, lower, value in fields if lower not in dropped])
    return b"%s%s%s%s\r\n" % (STATUS_LINES[status], kept, VIA, own)


def trailer_lines(fields: Iterable[Field]) -> bytes:
    """Return trailer fields as lines, without the empty line at the end."""
    return b"".join([b"%s: %s\r\n" % (name, value) for name, _, value in fields])


def server_timing(total_s: float, backend_s: float, attempts: int) -> bytes:
    """Return the `Server-Timing` line: ms before the answering attempt, ms in the backend, number of attempts."""
    own, backend = _ms(max(0.0, total_s - backend_s)), _ms(backend_s)
    tried = b"1" if attempts == 1 else b"%d" % attempts
    return b'Server-Timing: lb;dur=%s, backend;dur=%s, attempts;desc="%s"\r\n' % (own, backend, tried)


def _ms(seconds: float) -> bytes:
    """Format seconds as milliseconds with two decimals. Values below 10 ms, the common case, are preformatted."""
    hundredths = int(seconds * 100_000 + 0.5)
    return _SHORT_MS[hundredths] if hundredths < len(_SHORT_MS) else b"%d.%02d" % divmod(hundredths, 100)


def _merged(fields: Iterable[Field]) -> dict[bytes, bytes]:
    """Return the provenance fields, with repeated ones joined in order (RFC 9110 §5.3)."""
    lines: dict[bytes, bytes] = {}
    for _, lower, value in fields:
        if lower in _PROVENANCE:
            lines[lower] = _appended(lines.get(lower), value)
    return lines


def _appended(before: bytes | None, value: bytes) -> bytes:
    return b"%s, %s" % (before, value) if before else value


def client_of(peer: Peer, fields: Iterable[Field], trusted: Sequence[Network]) -> bytes:
    """Return the client's address: the peer's, or the one that trusted proxies report.

    That is the last address in `X-Forwarded-For` that does not belong to a trusted proxy. The addresses before it can
    be forged.
    """
    if not peer.trusted:
        return peer.address
    claimed = _merged(fields).get(b"x-forwarded-for", b"").split(b",")
    for node in reversed([node.strip() for node in claimed[-MAX_HOPS:] if node.strip()]):
        if not is_within(node.decode("latin-1"), trusted):
            return node
    return peer.address


def is_within(address: str, networks: Sequence[Network]) -> bool:
    """Return whether an IP address lies in one of the networks; False if the text is not an IP address."""
    if not networks:
        return False
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:  # the peer of a Unix socket has no address
        return False
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(parsed in network for network in networks if network.version == parsed.version)
