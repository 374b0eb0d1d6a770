"""Fields that the balancer removes from a head, and fields that it adds."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.core.headers import (
    HOP_BY_HOP,
    MAX_HOPS,
    Field,
    Peer,
    client_of,
    connection_named,
    request_head,
    request_id,
    response_head,
    server_timing,
)

NOTHING: frozenset[bytes] = frozenset()


def field(name: bytes, value: bytes) -> Field:
    return name, name.lower(), value


def lines_of(head: bytes) -> dict[bytes, bytes]:
    pairs = (line.partition(b": ") for line in head.split(b"\r\n")[1:] if line)
    return {name: value for name, _, value in pairs}


def upstream(*fields: Field, removed: frozenset[bytes] = NOTHING) -> dict[bytes, bytes]:
    return lines_of(request_head(b"GET / HTTP/1.1\r\n", b"a", fields, removed, b"", b""))


def test_names_keep_the_case_of_their_sender() -> None:
    assert upstream(field(b"x-ODD-case", b"1"))[b"x-ODD-case"] == b"1"


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP))
def test_hop_by_hop_fields_end_here_in_both_directions(name: bytes) -> None:
    assert name.title() not in upstream(field(name.title(), b"x"))
    assert name.title() not in lines_of(response_head(200, [field(name.title(), b"x")], NOTHING, b""))


def test_connection_names_fields_to_remove_but_never_the_ones_that_frame_or_route() -> None:
    removed = connection_named(b"close, X-Hop ,\tHost,content-length,Transfer-Encoding")
    assert removed == {b"close", b"x-hop"}
    assert upstream(field(b"X-Hop", b"1"), field(b"X-Other", b"2"), removed=removed).keys() >= {b"X-Other"}
    assert b"X-Hop" not in upstream(field(b"X-Hop", b"1"), removed=removed)


def test_a_strangers_word_about_where_it_comes_from_is_replaced() -> None:
    claims = [field(b"X-Forwarded-For", b"6.6.6.6"), field(b"Forwarded", b"for=6.6.6.6")]
    lines = lines_of(b"\r\n" + Peer("192.0.2.1").provenance(claims, b"shop.test:8080"))

    assert lines == {
        b"X-Forwarded-For": b"192.0.2.1",
        b"X-Forwarded-Proto": b"http",
        b"X-Forwarded-Host": b"shop.test:8080",
        b"Forwarded": b'for=192.0.2.1;proto=http;host="shop.test:8080"',
    }


def test_a_trusted_proxys_word_is_continued() -> None:
    claims = [
        field(b"X-Forwarded-For", b"6.6.6.6"),
        field(b"X-Forwarded-For", b"7.7.7.7"),
        field(b"X-Forwarded-Proto", b"https"),
        field(b"Forwarded", b"for=6.6.6.6"),
    ]
    lines = lines_of(b"\r\n" + Peer("10.0.0.9", trusted=[ip_network("10.0.0.0/8")]).provenance(claims, b"a"))

    assert lines[b"X-Forwarded-For"] == b"6.6.6.6, 7.7.7.7, 10.0.0.9"
    assert lines[b"X-Forwarded-Proto"] == b"https"
    assert lines[b"X-Forwarded-Host"] == b"a"
    assert lines[b"Forwarded"] == b'for=6.6.6.6, for=10.0.0.9;proto=http;host="a"'


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),  # the same client on a dual-stack socket
        ("fe80::1%eth0", True),
        ("11.0.0.1", False),
        ("", False),
    ],
)
def test_trust_is_a_matter_of_networks(address: str, trusted: bool) -> None:
    assert Peer(address, trusted=[ip_network("10.0.0.0/8"), ip_network("fe80::/10")]).trusted is trusted


def test_an_ipv6_client_is_quoted_in_forwarded() -> None:
    """RFC 7239 §6: a node with colons needs brackets and quotes."""
    assert b'for="[2001:db8::1]";' in Peer("2001:db8::1").provenance([], b"a")


@pytest.mark.parametrize(
    ("offered", "kept"),
    [(b"abc-1", True), (b"x" * 128, True), (b"x" * 129, False), (b"a b", False), (b"\xff", False), (b"", False)],
)
def test_a_request_id_is_kept_only_if_it_is_fit_to_be_echoed(offered: bytes, kept: bool) -> None:
    assert request_id(offered, b"own") == (offered if kept else b"own")


def test_a_backend_cannot_speak_in_the_balancers_name() -> None:
    forged = [field(b"X-Backend", b"evil"), field(b"X-Tried", b"evil"), field(b"X-Lb-Error", b"evil")]
    assert b"evil" not in response_head(200, forged, NOTHING, b"")


def test_an_unknown_status_has_no_phrase_but_passes() -> None:
    assert response_head(299, [], NOTHING, b"").startswith(b"HTTP/1.1 299 \r\n")


def test_server_timing_splits_the_time_and_never_goes_below_zero() -> None:
    assert server_timing(0.0105, 0.010, 2) == b'Server-Timing: lb;dur=0.50, backend;dur=10.00, attempts;desc="2"\r\n'
    assert b"lb;dur=0.00" in server_timing(0.010, 0.0101, 1)


@pytest.mark.parametrize("hundredths", [0, 1, 99, 100, 999, 1000, 123_456])
def test_server_timing_words_short_and_long_times_alike(hundredths: int) -> None:
    said = server_timing(0.0, hundredths / 100_000, 1)
    assert b"backend;dur=%.2f," % (hundredths / 100) in said


names = st.from_regex(rb"[A-Za-z][A-Za-z0-9-]{0,15}", fullmatch=True)
values = st.from_regex(rb"[!-~]([ -~]{0,20}[!-~])?", fullmatch=True)


@given(st.lists(st.tuples(names, values)), st.lists(names))
def test_a_head_is_always_well_formed_and_holds_nothing_that_was_not_there(
    pairs: list[tuple[bytes, bytes]], named: list[bytes]
) -> None:
    fields = [field(name, value) for name, value in pairs]
    removed = connection_named(b", ".join(named))
    head = request_head(b"GET / HTTP/1.1\r\n", b"a", fields, removed, Peer("192.0.2.1").provenance(fields, b"a"), b"")

    assert head.endswith(b"\r\n\r\n")
    assert head.count(b"\r\n\r\n") == 1
    assert head.count(b"\r\nHost: ") == 1
    assert head.count(b"\r\nX-Forwarded-For: ") == 1
    passed = [line for line in head.split(b"\r\n") if line.partition(b": ")[0].lower() in removed - {b""}]
    assert all(line.startswith((b"Via", b"X-Forwarded", b"Forwarded")) for line in passed), "ours are added after"


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", [], b"203.0.113.9"),
        ("203.0.113.9", [b"198.51.100.1"], b"203.0.113.9"),  # an untrusted peer's claim is ignored
        ("10.0.0.1", [b"198.51.100.1"], b"198.51.100.1"),
        ("10.0.0.1", [b"192.0.2.66, 198.51.100.1"], b"198.51.100.1"),  # the first one could be anybody's claim
        ("10.0.0.1", [b"192.0.2.66", b"198.51.100.1, 10.0.0.7"], b"198.51.100.1"),  # 10.0.0.7 is one of ours, too
        ("10.0.0.1", [b"10.0.0.7"], b"10.0.0.1"),
        ("10.0.0.1", [], b"10.0.0.1"),
        ("10.0.0.1", [b"unknown"], b"unknown"),
    ],
)
def test_whose_request_it_is(peer: str, forwarded: list[bytes], client: bytes) -> None:
    trusted = [ip_network("10.0.0.0/8")]
    fields = [(b"X-Forwarded-For", b"x-forwarded-for", value) for value in forwarded]
    assert client_of(Peer(peer, trusted=trusted), fields, trusted) == client


def test_only_the_last_hops_are_looked_at() -> None:
    trusted = [ip_network("10.0.0.0/8")]
    hops = [b"192.0.2.7", *[b"10.0.0.1"] * MAX_HOPS]
    peer = Peer("10.1.1.1", trusted=trusted)
    assert client_of(peer, [field(b"X-Forwarded-For", b", ".join(hops))], trusted) == b"10.1.1.1"
    assert client_of(peer, [field(b"X-Forwarded-For", b", ".join(hops[:-1]))], trusted) == b"192.0.2.7"


@pytest.mark.parametrize("name", [b"X_Forwarded_For", b"x-forwarded_for", b"Content_Length", b"TRANSFER_ENCODING"])
def test_a_name_that_cgi_takes_for_one_of_ours_goes(name: bytes) -> None:
    sent = upstream(field(name, b"6.6.6.6"), field(b"Api_Key", b"k"))
    assert b"6.6.6.6" not in sent.values()
    assert sent[b"Api_Key"] == b"k"
