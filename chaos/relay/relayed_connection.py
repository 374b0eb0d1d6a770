"""One relayed connection: two `asyncio.Protocol`s. Each writes what the other reads.

Without a fault, a chunk costs one call from `data_received` to the peer's `write`.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from enum import Enum

from ..links.delay_queue import DelayQueue
from .effects import Effects

HELD_BYTES_MAX = 1 << 20
"""If a fault delays more bytes than this in one direction, reading stops, so that the sender's window closes as on a
slow path."""
_LINGER_ZERO = struct.pack("ii", 1, 0)


class _End(Enum):
    """The end of a stream (FIN or RST), as an item in the queue of delayed bytes."""

    EOF = "eof"


class Side(asyncio.Protocol):
    """One of the two sockets. It passes what it reads to its peer, at once or delayed."""

    def __init__(self, on_lost: Callable[[Side, bool], None]) -> None:
        self.transport: asyncio.Transport | None = None
        self.peer: Side | None = None
        self._on_lost = on_lost
        self._effects: Effects | None = None
        self._hold: DelayQueue[bytes | _End] = DelayQueue()
        self._held_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._peer_is_full = False
        self._eof_sent = False

    # --- asyncio.Protocol ---
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self.peer is not None:
            self.peer.drain_held()

    def data_received(self, data: bytes) -> None:
        if self._effects is None and not self._hold and self.peer is not None and self.peer.transport is not None:
            self.peer.transport.write(data)
        else:
            self._hold_back(data)

    def eof_received(self) -> bool:
        if self._effects is None and not self._hold:
            self._deliver(_End.EOF)
        else:
            self._hold_back(_End.EOF)
        return True  # keep the other direction open (half-close)

    def pause_writing(self) -> None:
        if self.peer is not None:
            self.peer._set_peer_full(True)

    def resume_writing(self) -> None:
        if self.peer is not None:
            self.peer._set_peer_full(False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timer()
        self.transport = None
        self._on_lost(self, exc is not None)

    # --- faults ---
    def impair(self, effects: Effects | None) -> None:
        """Replace the faults. Bytes that are already delayed leave when due, or at once if `effects` is None."""
        was_silent = self._effects is not None and self._effects.silent
        self._effects = effects
        if effects is None or (was_silent and not effects.silent):
            self._cancel_timer()
            self._flush()

    def drain_held(self) -> None:
        """Deliver the bytes that are due, because a fault has ended or the peer has connected."""
        if self._effects is not None:
            self._release()
        else:
            self._flush()

    def _flush(self) -> None:
        for item in self._hold.flush():
            self._deliver(item)
        self._held_bytes = 0
        self._regulate()

    def reset(self) -> None:
        """Close with RST instead of FIN, and discard unsent bytes."""
        if self.transport is None:
            return
        sock: socket.socket | None = self.transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self.transport.abort()

    def finish(self) -> None:
        """Send the buffered bytes, then close."""
        if self.transport is not None:
            self.transport.close()

    # --- delayed bytes ---
    def _hold_back(self, item: bytes | _End) -> None:
        now = asyncio.get_running_loop().time()
        size = len(item) if isinstance(item, bytes) else 0
        self._hold.push(item, now if self._effects is None else self._effects.due(size, now))
        if isinstance(item, bytes):
            self._held_bytes += len(item)
        self._release()

    def _release(self) -> None:
        self._cancel_timer()
        if self.peer is None or self.peer.transport is None:
            self._regulate()
            return
        loop = asyncio.get_running_loop()
        for item in self._hold.release(loop.time()):
            self._held_bytes -= len(item) if isinstance(item, bytes) else 0
            self._deliver(item)
        if (due := self._hold.next_due) is not None:
            self._timer = loop.call_at(due, self._release)
        self._regulate()

    def _deliver(self, item: bytes | _End) -> None:
        peer = self.peer
        if peer is None or peer.transport is None:
            return
        if isinstance(item, bytes):
            peer.transport.write(item)
        elif peer.transport.can_write_eof() and not peer.transport.is_closing():
            peer.transport.write_eof()
            peer._eof_sent = True
            if self._eof_sent:  # both directions have ended
                peer.finish()
                self.finish()

    def _set_peer_full(self, full: bool) -> None:
        self._peer_is_full = full
        self._regulate()

    def _regulate(self) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        if self._peer_is_full or self._held_bytes > HELD_BYTES_MAX:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Link:
    """A client's connection and its connection to the backend."""

    def __init__(self, forget: Callable[[Link], None]) -> None:
        self.client = Side(self._lost)
        self.upstream = Side(self._lost)
        self.client.peer, self.upstream.peer = self.upstream, self.client
        self._forget = forget

    def impair(self, requests: Effects | None, answers: Effects | None) -> None:
        """Apply faults to both directions: `requests` towards the backend, `answers` from it."""
        self.client.impair(requests)
        self.upstream.impair(answers)

    def reset(self) -> None:
        """End both connections with RST."""
        self.client.reset()
        self.upstream.reset()

    def _lost(self, side: Side, was_reset: bool) -> None:
        self._forget(self)
        other = self.upstream if side is self.client else self.client
        if was_reset:
            other.reset()
        else:
            other.finish()
