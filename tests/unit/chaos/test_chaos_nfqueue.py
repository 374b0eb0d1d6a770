"""The wire format of linux/netfilter/nfnetlink_queue.h, byte for byte."""

from __future__ import annotations

import struct

from chaos.netns.nfqueue import CAP_LEN, HOOK_IN, MSG_PACKET, PAYLOAD, Packet, parse


def message(type_: int, *attributes: bytes) -> bytes:
    body = struct.pack(">BBH", 2, 0, 7777) + b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(body), type_, 0, 0, 0) + body


def attribute(type_: int, payload: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(payload), type_) + payload + b"\0" * (-len(payload) % 4)


def header(packet: int, hook: int = 3) -> bytes:
    return attribute(1, struct.pack(">IHB", packet, 0x0800, hook))


def packet_ids(data: bytes) -> list[int]:
    return [packet.number for packet in parse(data)]


def test_packet_numbers_are_found_among_other_attributes_and_messages() -> None:
    other = attribute(5, b"\0\0\0\1")
    datagram = message(MSG_PACKET, header(1)) + message(2, b"\0" * 4) + message(MSG_PACKET, other, header(258))
    assert list(packet_ids(datagram)) == [1, 258]


def test_a_truncated_or_empty_datagram_is_no_packet_and_no_endless_loop() -> None:
    whole = message(MSG_PACKET, header(1))
    assert list(packet_ids(b"")) == []
    assert list(packet_ids(b"\0" * 64)) == []
    assert list(packet_ids(whole[:20])) == []
    assert list(packet_ids(message(MSG_PACKET, b"\0" * 8))) == []


def test_a_packet_cut_short_tells_its_true_size_and_its_way() -> None:
    size = attribute(CAP_LEN, struct.pack(">I", 1500))
    cut = message(MSG_PACKET, header(7, HOOK_IN), attribute(PAYLOAD, b"abc"), size)
    whole = message(MSG_PACKET, header(8), attribute(PAYLOAD, b"abcd"))
    assert list(parse(cut + whole)) == [Packet(7, b"abc", 1500, True), Packet(8, b"abcd", 4, False)]
