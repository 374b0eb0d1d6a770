"""TCP mode: a client's connection is balanced as it is. What the core is told is what it is told of a request.

A connection is one exchange: admitted and picked for by the same policy, under the same caps, counted as in flight
until it ends. As long as no backend has taken the connection nothing has been sent, so another one may be tried (rule 6
of `lb.core.retry`). Taking it counts as an answer; a backend that then resets it before its first byte has failed.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from math import inf
from typing import TYPE_CHECKING, Final, cast

from ..core.balancer import Queued, Refusal
from ..core.exchange import Attempt, Exchange, Failure
from ..core.headers import Peer
from ..errors import is_our_own
from .origin import Origin, origin_of
from .own_responses import GAVE_UP
from .proxy_protocol import encode
from .request_record import Session
from .sockets import connected_socket
from .tunnel import Tunnel

if TYPE_CHECKING:
    from .data_plane import Plane

METHOD: Final = "TCP"
"""What the core and the access log see in place of a method; not idempotent."""
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER, on, zero seconds: closing sends a reset, which no client takes for an empty answer."""


class _Early(asyncio.Protocol):
    """Holds what one side says before there is anybody to say it to: a segment at most, since then it is not read."""

    transport: asyncio.Transport
    said: bytes = b""
    ended: bool = False
    """It has half-closed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        # Not sooner: to uvloop, pausing a transport that does not read yet means nothing.
        self.said += data
        self.transport.pause_reading()

    def eof_received(self) -> bool:
        self.ended = True
        return True


class TcpConnection(_Early):
    """One client until its backend is found; from then on a `Tunnel` has both sockets."""

    def __init__(self, plane: Plane, origin: Origin | None = None) -> None:
        self.deadline = inf
        """The core's own: `retry.total_timeout`."""
        self.peer: Peer
        self._plane = plane
        self._origin = origin
        self._exchange: Exchange
        self._attempt: Attempt | None = None
        self._dialing: asyncio.Task[None] | None = None
        self._over = False

    # --- the event loop's ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        plane = self._plane
        self._origin = self._origin or origin_of(transport)
        self.peer = Peer(self._origin.source.host, "", plane.trusted)
        now = plane.clock()
        hash_key = self.peer.address if plane.balancer.uses_hash_key else b""
        self._exchange = plane.balancer.admit(METHOD, now, hash_key=hash_key)
        if too_many := plane.joined(self):
            plane.balancer.abandoned(self._exchange)
            self._refuse(too_many)
            return
        plane.enter(self._exchange, self)
        self.proceed(plane.balancer.next(self._exchange, now))

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone before a backend was found; or we have ended it."""
        if not self._over:
            self._give_up("client_gone")
        self._plane.left(self)

    # --- what the plane and the ticker ask of whoever has an exchange ---

    def proceed(self, step: Attempt | Queued | Refusal) -> None:
        """Do what the core answered to `next`."""
        if isinstance(step, Attempt):
            self._attempt = step
            self._dialing = asyncio.get_running_loop().create_task(self._dial(step))
        elif isinstance(step, Refusal):
            self._plane.leave(self._exchange)
            self._refuse(step.reason)

    def timed_out(self, attempt: Attempt) -> None:
        """The core's patience is over."""
        if attempt is self._attempt:
            self._failed(attempt, Failure.CONNECT_TIMEOUT)

    def hedge(self, attempt: Attempt) -> None:
        """Never asked for: what is not idempotent is not hedged."""
        self._plane.resume(self._plane.balancer.cancelled(attempt, self._plane.clock()))

    def check_stall(self, now: float) -> None:
        """Nothing is under way that could stall: connecting has its own time-out."""

    def expire(self, now: float) -> None:
        """`deadline` never passes."""

    def stop(self) -> None:
        """The balancer stops: what has begun may go on."""

    def abort(self) -> None:
        """The balancer's patience with graceful stopping is over."""
        self.transport.abort()

    # --- finding a backend ---

    async def _dial(self, attempt: Attempt) -> None:
        try:
            sock = await connected_socket(attempt.backend, self._plane.connect_timeout)
        except TimeoutError:
            self._failed(attempt, Failure.CONNECT_TIMEOUT)
        except OSError as error:
            self._failed(attempt, Failure.EXHAUSTED if is_our_own(error) else Failure.REFUSED)
        else:
            await self._take(attempt, sock)

    async def _take(self, attempt: Attempt, sock: socket.socket) -> None:
        try:
            _, backend = await asyncio.get_running_loop().create_connection(_Early, sock=sock)
        except BaseException:
            sock.close()
            raise
        self._connected(attempt, backend)

    def _connected(self, attempt: Attempt, backend: _Early) -> None:
        plane = self._plane
        if self._over or not plane.balancer.answered(attempt, 200, plane.clock()):
            backend.transport.abort()
            return
        self._over = True
        self._exchange.responding = True
        plane.leave(self._exchange)
        plane.switched(self)
        tunnel = Tunnel(plane, attempt.backend, lambda ended: self._ended(attempt, ended), idle=plane.tcp_idle)
        assert self._origin is not None
        greeting = encode(plane.announce, self._origin) if plane.announce else b""
        tunnel.open(self.transport, backend.transport, greeting + self.said, backend.said)
        for side in (self, backend):
            if side.ended:
                tunnel.half_closed(by_client=side is self)
            elif not side.transport.is_closing():
                side.transport.resume_reading()

    def _failed(self, attempt: Attempt, failure: Failure) -> None:
        if self._over or attempt is not self._attempt:
            return
        self._stop_dialing()
        now = self._plane.clock()
        if self._plane.balancer.failed(attempt, failure, now):
            self.proceed(self._plane.balancer.next(self._exchange, now))
        else:
            self._plane.leave(self._exchange)
            self._refuse(GAVE_UP[failure][1])

    def _stop_dialing(self) -> None:
        dialing, self._dialing, self._attempt = self._dialing, None, None
        if dialing is not None and dialing is not asyncio.current_task():
            dialing.cancel()

    # --- endings ---

    def _refuse(self, reason: str) -> None:
        self._over = True
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()
        self._record("", reason)

    def _give_up(self, reason: str) -> None:
        self._over = True
        plane, attempt = self._plane, self._attempt
        self._stop_dialing()
        plane.leave(self._exchange)
        plane.balancer.abandoned(self._exchange)
        if attempt is not None:
            plane.resume(plane.balancer.cancelled(attempt, plane.clock()))
        self._record("", reason)

    def _ended(self, attempt: Attempt, tunnel: Tunnel) -> None:
        plane = self._plane
        plane.left(self)
        now = plane.clock()
        if tunnel.error == "reset":
            plane.balancer.failed(attempt, Failure.RESET, now)
        else:
            plane.resume(plane.balancer.completed(attempt, now))
        self._record(attempt.backend.id, tunnel.error, tunnel.bytes_up, tunnel.bytes_down)

    def _record(self, backend: str, error: str, bytes_in: int = 0, bytes_out: int = 0) -> None:
        exchange, plane = self._exchange, self._plane
        plane.on_session(
            Session(
                backend=backend,
                attempts=len(exchange.tried),
                started=exchange.started,
                total_s=plane.clock() - exchange.started,
                bytes_in=bytes_in,
                bytes_out=bytes_out,
                error=error,
                client=self.peer.address,
            )
        )
