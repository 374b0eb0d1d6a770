"""The client's side: one connection, its requests in turn, and what is owed on it."""

from __future__ import annotations

import asyncio
import socket
import struct
from math import inf
from typing import TYPE_CHECKING, Final, cast

from ..core.headers import Peer
from .exchange_relay import Relay
from .minimum_rate import Pace
from .origin import Origin, origin_of
from .own_responses import answer
from .ports import RequestSource
from .request_framing import MalformedError
from .request_reader import RequestReader
from .request_record import refused

if TYPE_CHECKING:
    from .data_plane import Plane
    from .request import Request

_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER, on, zero seconds: closing sends a reset."""


class ClientConnection(RequestSource):
    """An `asyncio.Protocol` in all but name: as a class without a foreign base it compiles to a C structure.

    Relays the first request of the reader's queue; the others wait their turn (RFC 9112 §9.3.2).

    `deadline` is when the ticker calls `expire`: what runs out then depends on what the connection waits for.
    """

    def __init__(self, plane: Plane, origin: Origin | None = None) -> None:
        """`origin` is what a PROXY header said; without one the kernel is asked."""
        self.deadline = inf
        self.blocked = False
        self.peer: Peer
        self._plane = plane
        self._origin = origin
        self._served = 0
        self._transport: asyncio.Transport
        self._reader = RequestReader(plane.limits)
        self._relay: Relay | None = None
        self._gathering: asyncio.TimerHandle | None = None
        self._gathered = False
        """The first request has waited long enough for its body."""
        self._advancing = False
        self._reading = True
        self._ending = False
        """Everything that will be written is written; what still comes is thrown away."""
        self._linger_until = 0.0
        """Until when what still comes is waited for at all; 0 while that is not done."""
        self._unsent = 0
        """Size of the transport's buffer when progress was last seen."""
        self._head_deadline = inf
        self._pace: Pace | None = None
        """Of the request body that is coming."""
        self._idle_since = 0
        """How many requests had been served when the client fell idle: bytes that begin none do not make it less so."""

    # --- the event loop's ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        plane = self._plane
        self._transport = cast(asyncio.Transport, transport)
        origin = self.origin
        scheme = "https" if origin.over_tls or transport.get_extra_info("sslcontext") else "http"
        self.peer = Peer(origin.source.host, scheme, plane.trusted)
        self.deadline = plane.clock() + plane.limits.client_idle
        if too_many := plane.joined(self):
            self._end_with(MalformedError(503, too_many))

    def data_received(self, data: bytes) -> None:
        if not self._ending:
            self._reader.feed(data)
            self._advance()
        elif self._linger_until:
            self.deadline = min(self._plane.clock() + self._plane.limits.linger, self._linger_until)

    def connection_lost(self, error: Exception | None) -> None:
        self._plane.left(self)
        self._reader.close()
        self._stop_gathering()
        self._ending = True
        relay, self._relay = self._relay, None
        if relay is not None:
            relay.client_gone()

    def eof_received(self) -> None:
        """The client ends its side: the transport closes (half-closed clients are not served), which is reported.
        What is answered already still goes out."""
        self._plane.outbox.flush()

    def pause_writing(self) -> None:
        self.blocked = True
        self._rearm()
        if self._relay is not None:
            self._relay.client_blocked()

    def resume_writing(self) -> None:
        self.blocked = False
        if self._relay is not None:
            self._relay.client_ready()
        self._advance()

    # --- the relay's verbs ---

    @property
    def origin(self) -> Origin:
        return self._origin or origin_of(self._transport)

    def write(self, data: bytes) -> None:
        self._plane.outbox.put(self._transport, data)

    def finished(self, *, close: bool) -> None:
        self._relay = self._pace = None
        done = self._reader.queue.popleft()
        if not close:
            self._advance()
        elif done.complete:
            self._close()
        else:
            self._linger()

    def cut(self, *, reset: bool) -> None:
        self._relay = None
        if reset:
            sock = self._transport.get_extra_info("socket")
            if sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._ending = True
            self._transport.abort()
        elif self._reader.incoming is not None:
            self._linger()
        else:
            self._close()

    def hand_over(self) -> tuple[asyncio.Transport, bytes]:
        self._plane.outbox.flush()
        self._plane.switched(self)
        self._relay = None
        self._reader.close()
        self._ending = True
        self.regulate()
        return self._transport, self._reader.early

    def regulate(self) -> None:
        reader, limits = self._reader, self._plane.limits
        incoming = reader.incoming
        full = (
            len(reader.queue) > 1
            or reader.held
            or (incoming is not None and incoming.buffered > limits.buffered)
            or len(reader.early) > limits.buffered
        )
        wanted = self._ending or not full
        if wanted == self._reading or self._transport.is_closing():
            return
        self._reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()
        if not self._ending:
            self._rearm()  # the clock of an upload runs while we read, and at no other time

    # --- the ticker's and the server's ---

    def expire(self, now: float) -> None:
        if self._ending or self.blocked:
            self._check_slow_reader(now)
        elif self._reader.incoming is not None:
            self._refuse(MalformedError(408, "slow_body"))
        elif self._reader.in_head:
            self._refuse(MalformedError(408, "slow_head"))
        else:
            self._close()

    def stop(self) -> None:
        if not self._reader.queue and not self._reader.in_head and not self._ending:
            self._close()

    def abort(self) -> None:
        self._transport.abort()

    # --- taking turns ---

    def _advance(self) -> None:
        """Start what may start and feed what runs. A request that is answered at once ends inside this loop, so that a
        pipeline of them needs no recursion."""
        if self._advancing:
            return
        self._advancing = True
        try:
            while self._relay is None and self._start_next():
                pass
        finally:
            self._advancing = False
        if self._relay is not None:
            self._continue(self._relay)
        if not self._ending:
            self.regulate()
            self._rearm()

    def _start_next(self) -> bool:
        """One step towards the next request; False when there is nothing to do for now."""
        reader = self._reader
        if self._ending or self.blocked:
            return False
        if not reader.queue:
            return self._start_anew()
        request = reader.queue[0]
        if request is reader.incoming:
            if reader.refusal is not None:
                reader.queue.clear()
                return True
            if self._should_gather(request):
                return False
        self._stop_gathering()
        self._served += 1
        if self._served == self._plane.limits.requests_per_connection:
            request.keep_alive = False
        self._relay = Relay(self._plane, self, request)
        self._relay.start()
        return True

    def _start_anew(self) -> bool:
        """No request is left to relay: read on, refuse the one that could not be read, or look behind a refused
        upgrade."""
        reader = self._reader
        if reader.held:
            reader.go_on()
            return True
        if reader.refusal is not None:
            self._end_with(reader.refusal)
            return False
        if reader.awaits_switch:
            reader.switch_refused()
            return True
        return False

    def _continue(self, relay: Relay) -> None:
        reader = self._reader
        if relay.request is not reader.incoming and not relay.uploading:
            return
        if reader.refusal is not None and relay.request is reader.incoming:
            relay.refuse(reader.refusal.status, reader.refusal.reason)
        else:
            relay.upload()

    def _should_gather(self, request: Request) -> bool:
        """A small body usually arrives right behind its head: waiting a moment makes one write of both, and leaves the
        request repeatable. Not with `Expect: 100-continue`, where the body waits for us."""
        limits, shape = self._plane.limits, request.shape
        if self._gathered or shape.expects_continue or max(request.buffered, shape.length) > limits.buffered:
            return False
        if self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(limits.gather, self._end_gathering)
        return True

    def _end_gathering(self) -> None:
        self._gathered = True
        self._advance()

    def _stop_gathering(self) -> None:
        self._gathered = False
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None

    # --- endings ---

    def _refuse(self, refusal: MalformedError) -> None:
        self._reader.refusal = refusal
        self._advance()

    def _end_with(self, refusal: MalformedError) -> None:
        plane = self._plane
        plane.outbox.put(self._transport, answer(refusal.status, refusal.reason))
        plane.done(refused(refusal.status, refusal.reason, self.peer.address, plane.clock()))
        self._linger()

    def _close(self) -> None:
        """Close once everything is written, and do not wait for ever for that."""
        self._plane.outbox.flush()
        self._ending = True
        self._unsent = self._transport.get_write_buffer_size()
        self.deadline = self._plane.clock() + self._plane.limits.slow_reader
        self._transport.close()

    def _linger(self) -> None:
        """Close once the client has had time to read the answer: closing on unread input resets the connection and may
        destroy the answer on its way (RFC 9112 §9.6)."""
        if self._transport.is_closing():
            self._close()
            return
        plane, now = self._plane, self._plane.clock()
        plane.outbox.flush()
        self._ending = True
        self._unsent = self._transport.get_write_buffer_size()
        self._linger_until = now + plane.limits.linger_total
        self.deadline = now + min(plane.limits.linger, plane.limits.linger_total)
        if self._transport.can_write_eof():  # TLS cannot: there, only the head says that this is the end
            self._transport.write_eof()
        self.regulate()

    def _rearm(self) -> None:
        """Set the deadline for what the connection waits for now."""
        reader, limits, now = self._reader, self._plane.limits, self._plane.clock()
        if not reader.in_head:
            self._head_deadline = inf
        if self.blocked:
            self._unsent = self._transport.get_write_buffer_size()
            self.deadline = now + limits.slow_reader
        elif reader.incoming is not None:
            if self._pace is None:
                self._pace = Pace(limits.slow_body, limits.slow_body_rate, now)
            self.deadline = self._pace.until(reader.incoming.received, now, running=self._reading)
        elif reader.queue:
            self.deadline = inf
        elif reader.in_head:
            self._head_deadline = min(self._head_deadline, now + limits.slow_head)
            self.deadline = self._head_deadline
        elif self._idle_since != self._served:
            self._idle_since = self._served
            self.deadline = now + limits.client_idle

    def _check_slow_reader(self, now: float) -> None:
        limits, unsent = self._plane.limits, self._transport.get_write_buffer_size()
        if self._unsent - unsent >= max(1, limits.slow_reader_rate * limits.slow_reader):
            self._unsent = unsent
            self.deadline = now + limits.slow_reader
        else:
            self._transport.abort()
