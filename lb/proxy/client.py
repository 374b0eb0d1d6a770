"""A client's connection, which handles its requests one after the other."""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, cast

from ..core.headers import Peer
from .exchange_relay import Relay
from .minimum_rate import MinimumRateTimer
from .origin import Origin, origin_of
from .own_responses import own_response
from .ports import RequestSource
from .request_framing import MalformedError
from .request_reader import RequestReader
from .request_record import refused_record
from .sockets import abort_with_reset

if TYPE_CHECKING:
    from .data_plane import DataPlane
    from .request import Request


class ClientConnection(RequestSource):
    """Has the methods of `asyncio.Protocol`, but does not inherit from it, so that mypyc compiles it to a C structure.

    It relays the first request of the reader's queue, while the others wait for their turn (RFC 9112 §9.3.2).
    `deadline` is the end of the time-out that applies to what the connection currently waits for.
    """

    def __init__(self, plane: DataPlane, origin: Origin | None = None) -> None:
        """`origin` comes from a PROXY header; None: from the kernel."""
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
        """Whether the first request no longer waits for its body."""
        self._advancing = False
        self._reading = True
        self._ending = False
        """Whether the last response is written, so that further bytes of the client are discarded."""
        self._linger_until = 0.0
        """Latest time (monotonic seconds) until which bytes of the client are read and discarded. 0: not yet."""
        self._unsent = 0
        """Bytes in the transport's buffer when it last shrank."""
        self._head_deadline = inf
        self._rate_timer: MinimumRateTimer | None = None
        """Timer of the request body that is being received."""
        self._idle_since = 0
        """Value of `_served` when the client became idle. Only a new request ends the idle time."""

    # --- called by the event loop ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        plane = self._plane
        self._transport = cast(asyncio.Transport, transport)
        origin = self.origin
        scheme = "https" if origin.over_tls or transport.get_extra_info("sslcontext") else "http"
        self.peer = Peer(origin.source.host, scheme, plane.trusted)
        self.deadline = plane.clock() + plane.limits.client_idle
        if too_many := plane.client_connected(self):
            self._end_with(MalformedError(503, too_many))

    def data_received(self, data: bytes) -> None:
        if not self._ending:
            self._reader.feed(data)
            self._advance()
        elif self._linger_until:
            self.deadline = min(self._plane.clock() + self._plane.limits.linger, self._linger_until)

    def connection_lost(self, error: Exception | None) -> None:
        self._plane.client_disconnected(self)
        self._reader.close()
        self._stop_gathering()
        self._ending = True
        relay, self._relay = self._relay, None
        if relay is not None:
            relay.client_gone()

    def eof_received(self) -> None:
        """Flush written responses. The transport then closes, because half-closed clients are not served."""
        self._plane.write_batch.flush()

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

    # --- called by the relay ---

    @property
    def origin(self) -> Origin:
        return self._origin or origin_of(self._transport)

    def write(self, data: bytes) -> None:
        self._plane.write_batch.put(self._transport, data)

    def response_finished(self, *, close: bool) -> None:
        self._relay = self._rate_timer = None
        done = self._reader.queue.popleft()
        if not close:
            self._advance()
        elif done.complete:
            self._close()
        else:
            self._linger()

    def truncate(self, *, reset: bool) -> None:
        self._relay = None
        if reset:
            self._ending = True
            abort_with_reset(self._transport)
        elif self._reader.incoming is not None:
            self._linger()
        else:
            self._close()

    def hand_over(self) -> tuple[asyncio.Transport, bytes]:
        self._plane.write_batch.flush()
        self._plane.client_upgraded(self)
        self._relay = None
        self._reader.close()
        self._ending = True
        self.regulate_reading()
        return self._transport, self._reader.after_upgrade

    def regulate_reading(self) -> None:
        reader, limits = self._reader, self._plane.limits
        incoming = reader.incoming
        full = (
            len(reader.queue) > 1
            or reader.unparsed
            or (incoming is not None and incoming.buffered > limits.buffered)
            or len(reader.after_upgrade) > limits.buffered
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
            self._rearm()  # the minimum rate of an upload applies only while reading

    # --- called by the ticker and the server ---

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

    # --- one request after the other ---

    def _advance(self) -> None:
        """Start the next request if none is being relayed, and forward the data received for the current one.

        A request that is answered at once ends inside this loop, so that a pipeline of them needs no recursion.
        """
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
            self.regulate_reading()
            self._rearm()

    def _start_next(self) -> bool:
        """Take one step towards the next request. Return False if there is nothing to do now."""
        reader = self._reader
        if self._ending or self.blocked:
            return False
        if not reader.queue:
            return self._continue_reading()
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

    def _continue_reading(self) -> bool:
        """Parse waiting bytes, or those after a refused upgrade, or refuse a malformed request. The queue is empty."""
        reader = self._reader
        if reader.unparsed:
            reader.parse_more()
            return True
        if reader.refusal is not None:
            self._end_with(reader.refusal)
            return False
        if reader.awaiting_upgrade:
            reader.upgrade_refused()
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
        """Return whether to wait for the small body of the request, which usually arrives right after its head.

        Head and body are then sent in one write, and the request can be repeated. With `Expect: 100-continue` the
        client sends no body before it gets a response, so the result is False.
        """
        limits, framing = self._plane.limits, request.framing
        if self._gathered or framing.expects_continue or max(request.buffered, framing.length) > limits.buffered:
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
        plane.write_batch.put(self._transport, own_response(refusal.status, refusal.reason))
        plane.request_done(refused_record(refusal.status, refusal.reason, self.peer.address, plane.clock()))
        self._linger()

    def _close(self) -> None:
        """Close when everything is written, or when the client reads too slowly."""
        self._plane.write_batch.flush()
        self._ending = True
        self._unsent = self._transport.get_write_buffer_size()
        self.deadline = self._plane.clock() + self._plane.limits.slow_reader
        self._transport.close()

    def _linger(self) -> None:
        """Close after the client has had time to read the response.

        Closing a socket with unread input resets the connection, and the response may be lost (RFC 9112 §9.6).
        """
        if self._transport.is_closing():
            self._close()
            return
        plane, now = self._plane, self._plane.clock()
        plane.write_batch.flush()
        self._ending = True
        self._unsent = self._transport.get_write_buffer_size()
        self._linger_until = now + plane.limits.linger_total
        self.deadline = now + min(plane.limits.linger, plane.limits.linger_total)
        if self._transport.can_write_eof():  # TLS cannot be half-closed, so only `Connection: close` announces the end
            self._transport.write_eof()
        self.regulate_reading()

    def _rearm(self) -> None:
        """Set the deadline for what the connection waits for now."""
        reader, limits, now = self._reader, self._plane.limits, self._plane.clock()
        if not reader.in_head:
            self._head_deadline = inf
        if self.blocked:
            self._unsent = self._transport.get_write_buffer_size()
            self.deadline = now + limits.slow_reader
        elif reader.incoming is not None:
            if self._rate_timer is None:
                self._rate_timer = MinimumRateTimer(limits.slow_body, limits.slow_body_rate, now)
            self.deadline = self._rate_timer.deadline(reader.incoming.received, now, running=self._reading)
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
