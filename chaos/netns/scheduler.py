"""Delays, drops, alters or duplicates queued packets as `packet_decision` decides."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import socket
from collections.abc import Sequence
from random import Random

from ..links.impairment import Impairment
from .nfqueue import ACCEPT, DROP, Packet, Queue
from .packet import corrupted, destination_of, flow_of
from .packet_decision import LinkEffects

MARK = 0x4E52
"""Socket mark of duplicated packets, so that the firewall rules let them pass. Setting it needs NET_ADMIN."""
IPV6_HDRINCL = 36
WHOLE_EFFECTS = frozenset({"corrupt", "duplicate"})
"""Effects for which the kernel has to copy whole packets."""


class Scheduler:
    """Reads packets from the queue and gives the verdict on each when it is due."""

    def __init__(self, queue: Queue, impairments: Sequence[Impairment], rng: Random) -> None:
        self._queue = queue
        self._rng = rng
        self._held: list[tuple[float, int, bytes]] = []
        """Heap of delayed packets: due time, packet number, altered data. Numbers increase, so ties keep the order."""
        self._timer: asyncio.TimerHandle | None = None
        self._copies: dict[int, socket.socket] = {}
        self.packets = 0
        self.change(impairments)
        asyncio.get_running_loop().add_reader(queue.socket, self._arrived)

    def change(self, impairments: Sequence[Impairment]) -> None:
        """Replace the impairments. Packets that are already delayed still leave when they are due."""
        self._in = LinkEffects([each for each in impairments if each.direction in ("in", "both")], self._rng)
        self._out = LinkEffects([each for each in impairments if each.direction in ("out", "both")], self._rng)
        self._queue.set_whole(any(each.effect in WHOLE_EFFECTS for each in impairments))
        if any(each.effect == "duplicate" for each in impairments) and not self._copies:
            self._copies = {4: _raw(socket.AF_INET)}
            with contextlib.suppress(OSError):  # the kernel may lack IPv6
                self._copies[6] = _raw(socket.AF_INET6)

    def close(self) -> None:
        """Release all delayed packets in order, and unbind the queue."""
        asyncio.get_running_loop().remove_reader(self._queue.socket)
        if self._timer is not None:
            self._timer.cancel()
        while self._held:
            _, number, data = heapq.heappop(self._held)
            self._queue.decide(number, ACCEPT, data)
        for packet in self._queue.packets():
            self._queue.decide(packet.number, ACCEPT)
        self._queue.close()
        for copies in self._copies.values():
            copies.close()

    def _arrived(self) -> None:
        now = asyncio.get_running_loop().time()
        for packet in self._queue.packets():
            self.packets += 1
            self._handle(packet, now)
        self._release()

    def _handle(self, packet: Packet, now: float) -> None:
        effects = self._in if packet.incoming else self._out
        decision = effects.decide(flow_of(packet.data), packet.size, now)
        if decision.duplicated and not packet.incoming:
            self._send_copy(packet.data)
        if decision.lost:
            self._queue.decide(packet.number, DROP)
            return
        data = corrupted(packet.data, self._rng) if decision.corrupted else b""
        if decision.due <= now:
            self._queue.decide(packet.number, ACCEPT, data)
        else:
            heapq.heappush(self._held, (decision.due, packet.number, data))

    def _send_copy(self, data: bytes) -> None:
        if copies := self._copies.get(data[0] >> 4):
            with contextlib.suppress(OSError):  # full buffer or no route: the original still leaves
                copies.sendto(data, (destination_of(data), 0))

    def _release(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._held and self._held[0][0] <= now:
            _, number, data = heapq.heappop(self._held)
            self._queue.decide(number, ACCEPT, data)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(self._held[0][0], self._release) if self._held else None


def _raw(family: socket.AddressFamily) -> socket.socket:
    """Return a socket for packets that include their IP header (raw(7))."""
    sock = socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_RAW)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_HDRINCL, 1)
    sock.setblocking(False)
    return sock
