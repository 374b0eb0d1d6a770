"""Reads and corrupts IP packets given as bytes (RFC 791 §3.1, RFC 8200 §3, RFC 9293 §3.1)."""

from __future__ import annotations

import socket
from random import Random

V4_ADDRESSES = slice(12, 20)
V6_ADDRESSES = slice(8, 40)
V6_HEADER = 40
PORTS = 4


def transport_at(packet: bytes) -> int:
    """Return the offset of the transport header. IPv6 extension headers count as part of the transport header."""
    return (packet[0] & 0x0F) * 4 if packet[0] >> 4 == 4 else V6_HEADER


def flow_of(packet: bytes) -> bytes:
    """Return the bytes of the addresses and ports, which identify the flow."""
    at = transport_at(packet)
    addresses = V4_ADDRESSES if packet[0] >> 4 == 4 else V6_ADDRESSES
    return packet[addresses] + packet[at : at + PORTS]


def destination_of(packet: bytes) -> str:
    """Return the destination's address as text."""
    if packet[0] >> 4 == 4:
        return socket.inet_ntop(socket.AF_INET, packet[16:20])
    return socket.inet_ntop(socket.AF_INET6, packet[24:40])


def corrupted(packet: bytes, rng: Random) -> bytes:
    """Return the packet with one bit flipped after the IP header, so that it arrives with a wrong checksum."""
    at = rng.randrange(transport_at(packet), len(packet))
    changed = bytearray(packet)
    changed[at] ^= 1 << rng.randrange(8)
    return bytes(changed)
