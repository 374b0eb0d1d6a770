"""PROXY headers, both versions, both ways."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.proxy.origin import NO_ENDPOINT, Endpoint, Origin
from lb.proxy.proxy_protocol import (
    SIGNATURE,
    V1_LONGEST,
    V2_HEAD,
    ProxyHeaderError,
    encode,
    parse_v1,
    parse_v2,
    v2_size,
)

V4 = Origin(Endpoint("192.0.2.7", 56324), Endpoint("198.51.100.1", 443))
V6 = Origin(Endpoint("2001:db8::7", 1), Endpoint("2001:db8::1", 65535))
ports = st.integers(0, 65535)
addresses = st.one_of(
    st.tuples(st.ip_addresses(v=4).map(str), st.ip_addresses(v=4).map(str)),
    st.tuples(st.ip_addresses(v=6).map(str), st.ip_addresses(v=6).map(str)),
)


def parsed(version: str, header: bytes) -> Origin | None:
    if version == "v1":
        return parse_v1(header)
    assert len(header) == V2_HEAD + v2_size(header[:V2_HEAD])
    return parse_v2(header[:V2_HEAD], header[V2_HEAD:])


def v2(command: int = 0x21, family: int = 0x11, rest: bytes = b"") -> Origin | None:
    return parsed("v2", SIGNATURE + bytes((command, family)) + len(rest).to_bytes(2, "big") + rest)


@pytest.mark.parametrize("version", ["v1", "v2"])
@given(hosts=addresses, source=ports, destination=ports)
def test_what_is_written_reads_the_same(version: str, hosts: tuple[str, str], source: int, destination: int) -> None:
    origin = Origin(Endpoint(hosts[0], source), Endpoint(hosts[1], destination))
    header = encode(version, origin)

    assert parsed(version, header) == origin
    assert version == "v2" or len(header) <= V1_LONGEST


def test_the_bytes_are_those_of_the_specification() -> None:
    assert encode("v1", V4) == b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n"
    assert encode("v1", V6) == b"PROXY TCP6 2001:db8::7 2001:db8::1 1 65535\r\n"
    assert encode("v2", V4) == (
        b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x01\xdc\x04\x01\xbb"
    )


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_connection_that_is_nobodys_says_so(version: str) -> None:
    assert parsed(version, encode(version, Origin(NO_ENDPOINT, NO_ENDPOINT))) is None


def test_two_families_meet_in_the_larger_one() -> None:
    assert encode("v1", Origin(V4.source, V6.destination)).startswith(b"PROXY TCP6 ::ffff:")


@pytest.mark.parametrize("rest", [b"", b" ", b" ffff:f...f:ffff anything 1 2"])
def test_unknown_is_accepted_with_whatever_follows(rest: bytes) -> None:
    assert parse_v1(b"PROXY UNKNOWN%s\r\n" % rest) is None


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 056324 443\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 65536\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 443\r\n",
        b"PROXY TCP4 192.0.2.7  198.51.100.1 1 443\r\n",
        b"PROXY TCP4 192.0.2.07 198.51.100.1 1 443\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 1 443\r\n",
        b"PROXY TCP6 192.0.2.7 198.51.100.1 1 443\r\n",
        b"PROXY TCP4 host 198.51.100.1 1 443\r\n",
        b"PROXY TCP4 \xff 198.51.100.1 1 443\r\n",
        b"PROXY TCP5 192.0.2.7 198.51.100.1 1 443\r\n",
        b"proxy TCP4 192.0.2.7 198.51.100.1 1 443\r\n",
        b"PROXY UNKNOWNX\r\n",
        b"PROXY \r\n",
    ],
)
def test_a_line_that_makes_no_sense_is_refused(line: bytes) -> None:
    with pytest.raises(ProxyHeaderError):
        parse_v1(line)


@pytest.mark.parametrize(("command", "family"), [(0x11, 0x11), (0x22, 0x11), (0x2F, 0x11), (0x01, 0x11)])
def test_other_versions_and_commands_are_refused(command: int, family: int) -> None:
    with pytest.raises(ProxyHeaderError):
        v2(command, family, b"\0" * 12)


@pytest.mark.parametrize("family", [0x00, 0x12, 0x22, 0x31, 0x32])
def test_what_is_no_tcp_over_ip_is_taken_as_it_comes(family: int) -> None:
    assert v2(0x21, family, b"\0" * 216) is None


def test_addresses_that_are_cut_short_are_refused() -> None:
    with pytest.raises(ProxyHeaderError):
        v2(rest=b"\0" * 11)


def test_more_than_anybody_needs_is_refused() -> None:
    with pytest.raises(ProxyHeaderError, match="at most 4096"):
        v2_size(SIGNATURE + b"\x21\x11\xff\xff")


def test_extensions_tell_whether_the_client_came_over_tls() -> None:
    body = encode("v2", V4)[V2_HEAD:]
    name = b"\x02\x00\x06a.test"

    for over_tls, flags in ((True, 0x01), (False, 0x00), (True, 0x07)):
        origin = v2(rest=body + name + b"\x20\x00\x05" + bytes((flags,)) + b"\0\0\0\0")
        assert origin == V4._replace(over_tls=over_tls)
    with pytest.raises(ProxyHeaderError, match="truncated"):
        v2(rest=body + b"\x20\x00\x05\x01")


@given(st.binary(max_size=200))
def test_nothing_but_a_preface_error_comes_of_noise(noise: bytes) -> None:
    for parse in (lambda: parse_v1(b"PROXY " + noise), lambda: v2(rest=noise), lambda: v2(0x21, 0x21, noise)):
        with contextlib.suppress(ProxyHeaderError):
            parse()
