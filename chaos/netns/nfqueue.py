"""A small NFQUEUE client: the kernel tells of each packet by number, we answer its verdict when its time has come.

Our own, because it is 100 lines of netlink (linux/netfilter/nfnetlink_queue.h) against a C extension without wheels,
and because only the numbers cross over (NFQNL_COPY_META with range 0), never the packets.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from collections.abc import Iterator
from random import Random

from chaos.hold import Hold
from chaos.impairment import Impairment

NETLINK_NETFILTER = 12
SOL_NETLINK, NETLINK_NO_ENOBUFS = 270, 5
NLMSG_ERROR = 2
NLM_F_REQUEST, NLM_F_ACK = 1, 4
SUBSYS_QUEUE = 3 << 8
MSG_PACKET, MSG_VERDICT, MSG_CONFIG = SUBSYS_QUEUE | 0, SUBSYS_QUEUE | 1, SUBSYS_QUEUE | 2
CFG_CMD, CFG_PARAMS, CFG_QUEUE_MAXLEN, CFG_MASK, CFG_FLAGS = 1, 2, 3, 4, 5
CMD_BIND = 1
COPY_META = 1
FLAGS_FAIL_OPEN_AND_GSO = 1 | 4
"""A full queue lets packets pass; segments the network card would split are queued whole."""
PACKET_HDR, VERDICT_HDR = 1, 2
DROP, ACCEPT = 0, 1
QUEUE_PACKETS = 65_536
RECEIVE_BYTES = 1 << 16

_HEADER = struct.Struct("=IHHII")
_GENERIC = struct.Struct(">BBH")
_ATTRIBUTE = struct.Struct("=HH")
_ERROR = struct.Struct("=i")


class Queue:
    """One NFQUEUE, bound. Raises OSError where the kernel has none, or the number is taken."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
        try:
            self.socket.bind((0, 0))
            self.socket.setsockopt(SOL_NETLINK, NETLINK_NO_ENOBUFS, 1)
            self._configure(_attribute(CFG_CMD, struct.pack(">BxH", CMD_BIND, 0)))
            self._configure(_attribute(CFG_PARAMS, struct.pack(">IB", 0, COPY_META)))
            self._configure(_attribute(CFG_QUEUE_MAXLEN, struct.pack(">I", QUEUE_PACKETS)))
            flags = struct.pack(">I", FLAGS_FAIL_OPEN_AND_GSO)
            self._configure(_attribute(CFG_FLAGS, flags) + _attribute(CFG_MASK, flags))
        except OSError:
            self.socket.close()
            raise
        self.socket.setblocking(False)

    def packets(self) -> Iterator[int]:
        """Numbers of the packets that have arrived; returns when there are no more for now."""
        while True:
            try:
                data = self.socket.recv(RECEIVE_BYTES)
            except BlockingIOError:
                return
            yield from packet_ids(data)

    def decide(self, packet: int, verdict: int) -> None:
        """Let it pass or drop it. A packet that is gone (its interface went down) is no error."""
        self._send(MSG_VERDICT, NLM_F_REQUEST, _attribute(VERDICT_HDR, struct.pack(">II", verdict, packet)))

    def close(self) -> None:
        """Unbind: what is still queued is dropped, what comes next passes (--queue-bypass)."""
        self.socket.close()

    def _configure(self, attributes: bytes) -> None:
        self._send(MSG_CONFIG, NLM_F_REQUEST | NLM_F_ACK, attributes)
        reply = self.socket.recv(RECEIVE_BYTES)
        code = -_ERROR.unpack_from(reply, _HEADER.size)[0]
        if code:
            raise OSError(code, f"NFQUEUE: {os.strerror(code)} ({errno.errorcode.get(code, code)})")

    def _send(self, type_: int, flags: int, attributes: bytes) -> None:
        body = _GENERIC.pack(socket.AF_UNSPEC, 0, self._number) + attributes
        self.socket.send(_HEADER.pack(_HEADER.size + len(body), type_, flags, 0, 0) + body)


def packet_ids(data: bytes) -> Iterator[int]:
    """The packet numbers in what one `recv` brought: netlink messages, each with its attributes, 4-byte aligned."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, type_ = _HEADER.unpack_from(data, at)[:2]
        if not _HEADER.size <= length <= len(data) - at:
            return
        if type_ == MSG_PACKET:
            yield from _packet_id(data, at + _HEADER.size + _GENERIC.size, at + length)
        at += _aligned(length)


def _packet_id(data: bytes, at: int, end: int) -> Iterator[int]:
    while at + _ATTRIBUTE.size <= end:
        length, type_ = _ATTRIBUTE.unpack_from(data, at)
        if not _ATTRIBUTE.size <= length <= end - at:
            return
        if type_ == PACKET_HDR:
            yield int(struct.unpack_from(">I", data, at + _ATTRIBUTE.size)[0])
            return
        at += _aligned(length)


def _attribute(type_: int, payload: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(payload)
    return _ATTRIBUTE.pack(length, type_) + payload + b"\0" * (_aligned(length) - length)


def _aligned(length: int) -> int:
    return (length + 3) & ~3


class Scheduler:
    """Holds each packet as long as the impairment says. Order is kept: reordering would look like loss to TCP."""

    def __init__(self, queue: Queue, impairment: Impairment, rng: Random) -> None:
        self._queue = queue
        self._impairment = impairment
        self._rng = rng
        self._held: Hold[int] = Hold()
        self._timer: asyncio.TimerHandle | None = None
        asyncio.get_running_loop().add_reader(queue.socket, self._arrived)

    def close(self) -> None:
        """Let everything held pass, in order, and unbind."""
        asyncio.get_running_loop().remove_reader(self._queue.socket)
        if self._timer is not None:
            self._timer.cancel()
        for packet in (*self._held.flush(), *self._queue.packets()):
            self._queue.decide(packet, ACCEPT)
        self._queue.close()

    def _arrived(self) -> None:
        now = asyncio.get_running_loop().time()
        for packet in self._queue.packets():
            if self._impairment.kind == "loss":
                self._queue.decide(packet, DROP if self._rng.random() < self._impairment.loss else ACCEPT)
            else:
                self._held.push(packet, now + self._impairment.hold_answer(self._rng))
        self._release()

    def _release(self) -> None:
        loop = asyncio.get_running_loop()
        for packet in self._held.release(loop.time()):
            self._queue.decide(packet, ACCEPT)
        if self._timer is not None:
            self._timer.cancel()
        due = self._held.next_due
        self._timer = loop.call_at(due, self._release) if due is not None else None
