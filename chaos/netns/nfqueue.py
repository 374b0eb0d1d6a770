"""A small NFQUEUE client: the kernel passes each packet with a number and waits for the verdict on that number.

Written here, because it takes 100 lines of netlink (linux/netfilter/nfnetlink_queue.h), and the existing client is a C
extension without wheels. The kernel copies only the headers, or whole packets (`whole`) if packets may be corrupted or
duplicated.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

NETLINK_NETFILTER = 12
SOL_NETLINK, NETLINK_NO_ENOBUFS = 270, 5
NLMSG_ERROR = 2
NLM_F_REQUEST, NLM_F_ACK = 1, 4
SUBSYS_QUEUE = 3 << 8
MSG_PACKET, MSG_VERDICT, MSG_CONFIG = SUBSYS_QUEUE | 0, SUBSYS_QUEUE | 1, SUBSYS_QUEUE | 2
CFG_CMD, CFG_PARAMS, CFG_QUEUE_MAXLEN, CFG_MASK, CFG_FLAGS = 1, 2, 3, 4, 5
CMD_BIND = 1
COPY_PACKET = 2
HEADERS, WHOLE = 96, 0xFFFF
"""Bytes of each packet that the kernel copies: enough for an IPv6 header and the ports, or the whole packet."""
FAIL_OPEN, GSO = 1, 4
"""Flags: a full queue lets packets pass (FAIL_OPEN); segments that the network card would split are queued unsplit
(GSO). GSO is not set if packets are altered, because only without it the kernel fills in their checksums first."""
PACKET_HDR, PAYLOAD, CAP_LEN = 1, 10, 13
VERDICT_HDR = 2
HOOK_IN = 1
DROP, ACCEPT = 0, 1
QUEUE_PACKETS = 65_536
RECEIVE_BYTES = 1 << 16

_HEADER = struct.Struct("=IHHII")
_GENERIC = struct.Struct(">BBH")
_ATTRIBUTE = struct.Struct("=HH")
_PACKET_HDR = struct.Struct(">IHB")
_ERROR = struct.Struct("=i")


@dataclass(frozen=True, slots=True)
class Packet:
    """One queued packet. `data` may be only its beginning; `size` is the full length in bytes."""

    number: int
    data: bytes
    size: int
    incoming: bool


class Queue:
    """One bound NFQUEUE. The constructor raises OSError if the kernel has no NFQUEUE or the number is in use."""

    def __init__(self, number: int, *, whole: bool = False) -> None:
        self._number = number
        self._early: list[bytes] = []
        """Packets that arrived while the client waited for an acknowledgement."""
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
        try:
            self.socket.bind((0, 0))
            self.socket.setsockopt(SOL_NETLINK, NETLINK_NO_ENOBUFS, 1)
            self._configure(_attribute(CFG_CMD, struct.pack(">BxH", CMD_BIND, 0)))
            self.set_whole(whole)
            self._configure(_attribute(CFG_QUEUE_MAXLEN, struct.pack(">I", QUEUE_PACKETS)))
        except OSError:
            self.socket.close()
            raise
        self.socket.setblocking(False)

    def set_whole(self, whole: bool) -> None:
        """Set whether the kernel copies whole packets from now on."""
        self.socket.setblocking(True)
        try:
            self._configure(_attribute(CFG_PARAMS, struct.pack(">IB", WHOLE if whole else HEADERS, COPY_PACKET)))
            flags = struct.pack(">I", FAIL_OPEN if whole else FAIL_OPEN | GSO)
            self._configure(_attribute(CFG_FLAGS, flags) + _attribute(CFG_MASK, struct.pack(">I", FAIL_OPEN | GSO)))
        finally:
            self.socket.setblocking(False)

    def packets(self) -> Iterator[Packet]:
        """Yield the packets that have arrived. It does not wait for more."""
        while self._early:
            yield from parse(self._early.pop())
        while True:
            try:
                data = self.socket.recv(RECEIVE_BYTES)
            except BlockingIOError:
                return
            yield from parse(data)

    def decide(self, number: int, verdict: int, data: bytes = b"") -> None:
        """Accept a packet (with other `data`, if given) or drop it. If the packet is no longer queued, do nothing."""
        attributes = _attribute(VERDICT_HDR, struct.pack(">II", verdict, number))
        self._send(MSG_VERDICT, NLM_F_REQUEST, attributes + (_attribute(PAYLOAD, data) if data else b""))

    def close(self) -> None:
        """Unbind the queue. Packets still in it are dropped; later ones pass (--queue-bypass)."""
        self.socket.close()

    def _configure(self, attributes: bytes) -> None:
        self._send(MSG_CONFIG, NLM_F_REQUEST | NLM_F_ACK, attributes)
        while _HEADER.unpack_from(reply := self.socket.recv(RECEIVE_BYTES))[1] != NLMSG_ERROR:
            self._early.insert(0, reply)
        code = -_ERROR.unpack_from(reply, _HEADER.size)[0]
        if code:
            raise OSError(code, f"NFQUEUE: {os.strerror(code)} ({errno.errorcode.get(code, code)})")

    def _send(self, type_: int, flags: int, attributes: bytes) -> None:
        body = _GENERIC.pack(socket.AF_UNSPEC, 0, self._number) + attributes
        self.socket.send(_HEADER.pack(_HEADER.size + len(body), type_, flags, 0, 0) + body)


def parse(data: bytes) -> Iterator[Packet]:
    """Yield the packets in the bytes of one `recv`: netlink messages, each with its attributes, 4-byte aligned."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, type_ = _HEADER.unpack_from(data, at)[:2]
        if not _HEADER.size <= length <= len(data) - at:
            return
        if type_ == MSG_PACKET:
            yield from _packet(dict(_attributes(data, at + _HEADER.size + _GENERIC.size, at + length)))
        at += _aligned(length)


def _packet(attributes: dict[int, bytes]) -> Iterator[Packet]:
    if len(attributes.get(PACKET_HDR, b"")) < _PACKET_HDR.size:
        return
    number, _, hook = _PACKET_HDR.unpack_from(attributes[PACKET_HDR])
    data = attributes.get(PAYLOAD, b"")
    size = int.from_bytes(attributes[CAP_LEN], "big") if CAP_LEN in attributes else len(data)
    yield Packet(number, data, size, hook == HOOK_IN)


def _attributes(data: bytes, at: int, end: int) -> Iterator[tuple[int, bytes]]:
    while at + _ATTRIBUTE.size <= end:
        length, type_ = _ATTRIBUTE.unpack_from(data, at)
        if not _ATTRIBUTE.size <= length <= end - at:
            return
        yield type_, data[at + _ATTRIBUTE.size : at + length]
        at += _aligned(length)


def _attribute(type_: int, payload: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(payload)
    return _ATTRIBUTE.pack(length, type_) + payload + b"\0" * (_aligned(length) - length)


def _aligned(length: int) -> int:
    return (length + 3) & ~3
