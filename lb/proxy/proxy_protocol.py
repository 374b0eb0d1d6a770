"""The PROXY protocol (haproxy.org/download/2.9/doc/proxy-protocol.txt): a header with the client's address at the start
of a connection.

Pure: parses bytes to an `Origin`, and encodes it. The parser is strict, because the addresses are trusted.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final

from .origin import Endpoint, Origin

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
"""The first 12 bytes of version 2. Neither version 1 nor HTTP begins with them."""
V2_HEAD: Final = 16
"""Bytes before the addresses."""
V1_LONGEST: Final = 107
"""Longest line in bytes, including CRLF (section 2.1)."""
V2_LONGEST: Final = 4096
"""The most bytes of addresses and extensions that are accepted: addresses take at most 36, and extensions hold a name
or two of a certificate."""

_V1: Final = re.compile(rb"PROXY (TCP4|TCP6) (\S+) (\S+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4})\r\n")
_UNKNOWN: Final = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*)?\r\n")
_VERSIONS: Final = {b"TCP4": 4, b"TCP6": 6}
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21
_SIZES: Final = {_TCP4: 4, _TCP6: 16}
_TLV_SSL, _CLIENT_SSL = 0x20, 0x01


class ProxyHeaderError(ValueError):
    """The bytes are not a valid PROXY header. The message says why."""


def parse_v1(line: bytes) -> Origin | None:
    """Parse a complete line. Return None for `UNKNOWN`; then the kernel's addresses apply. Raise ProxyHeaderError."""
    if _UNKNOWN.fullmatch(line):
        return None
    match = _V1.fullmatch(line)
    if match is None:
        raise ProxyHeaderError("not a PROXY line of version 1")
    family, source, destination, source_port, destination_port = match.groups()
    return Origin(
        _endpoint(source, int(source_port), _VERSIONS[family]),
        _endpoint(destination, int(destination_port), _VERSIONS[family]),
    )


def v2_size(head: bytes) -> int:
    """Return the number of bytes after the first 16. Raise `ProxyHeaderError`."""
    if not head.startswith(SIGNATURE) or head[12] not in (_LOCAL, _PROXY):
        raise ProxyHeaderError("not a PROXY header of version 2")
    size = int.from_bytes(head[14:16], "big")
    if size > V2_LONGEST:
        raise ProxyHeaderError(f"{size} bytes of addresses and extensions; expected at most {V2_LONGEST}")
    return size


def parse_v2(head: bytes, rest: bytes) -> Origin | None:
    """Parse a header. Return None for LOCAL (a health check of the sender), and if it is not TCP over IP. Raise
    `ProxyHeaderError`."""
    family = head[13]
    if head[12] == _LOCAL or family not in _SIZES:
        return None
    width = _SIZES[family]
    if len(rest) < 2 * width + 4:
        raise ProxyHeaderError("the header is too short for its addresses")
    source, destination, ports = rest[:width], rest[width : 2 * width], rest[2 * width : 2 * width + 4]
    return Origin(
        Endpoint(str(ip_address(source)), int.from_bytes(ports[:2], "big")),
        Endpoint(str(ip_address(destination)), int.from_bytes(ports[2:], "big")),
        _came_over_tls(rest[2 * width + 4 :]),
    )


def encode(version: str, origin: Origin) -> bytes:
    """Return the header for a backend, `v1` or `v2`. Without a client (`NO_ENDPOINT`) it is UNKNOWN or LOCAL."""
    return _encode_v1(origin) if version == "v1" else _encode_v2(origin)


def _encode_v1(origin: Origin) -> bytes:
    ends = _packed(origin)
    if ends is None:
        return b"PROXY UNKNOWN\r\n"
    family = "TCP4" if len(ends[0]) == 4 else "TCP6"
    source, destination = (ip_address(packed) for packed in ends)
    return f"PROXY {family} {source} {destination} {origin.source.port} {origin.destination.port}\r\n".encode()


def _encode_v2(origin: Origin) -> bytes:
    ends = _packed(origin)
    if ends is None:
        return SIGNATURE + bytes((_LOCAL, 0, 0, 0))
    body = ends[0] + ends[1] + origin.source.port.to_bytes(2, "big") + origin.destination.port.to_bytes(2, "big")
    family = _TCP4 if len(ends[0]) == 4 else _TCP6
    return SIGNATURE + bytes((_PROXY, family)) + len(body).to_bytes(2, "big") + body


def _packed(origin: Origin) -> tuple[bytes, bytes] | None:
    """Return both addresses in one family: if only one is IPv4, it is mapped to IPv6. None without a client."""
    if not origin.source.host or not origin.destination.host:
        return None
    ends = [ip_address(end.host.partition("%")[0]) for end in (origin.source, origin.destination)]
    if {end.version for end in ends} == {4, 6}:
        ends = [ip_address(f"::ffff:{end}") if end.version == 4 else end for end in ends]
    return ends[0].packed, ends[1].packed


def _endpoint(host: bytes, port: int, version: int) -> Endpoint:
    try:
        address = ip_address(host.decode("ascii"))
    except ValueError as error:
        raise ProxyHeaderError("an address is not valid") from error
    if address.version != version or port > 65535:
        raise ProxyHeaderError("an address is of the wrong family, or a port is above 65535")
    return Endpoint(str(address), port)


def _came_over_tls(extensions: bytes) -> bool:
    """Return whether the client spoke TLS with the sender (section 2.2.5)."""
    while len(extensions) >= 3:
        kind, size = extensions[0], int.from_bytes(extensions[1:3], "big")
        value, extensions = extensions[3 : 3 + size], extensions[3 + size :]
        if len(value) != size:
            raise ProxyHeaderError("an extension is truncated")
        if kind == _TLV_SSL and value:
            return bool(value[0] & _CLIENT_SSL)
    return False
