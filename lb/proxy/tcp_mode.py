"""TCP mode: balances whole connections without parsing them. For the core, each connection is an exchange.

A connection is admitted and assigned by the same policy and caps as a request, and is in flight until it ends. Nothing
is sent until a backend has accepted the connection, so that another backend may be tried (rule 6 of `lb.core.retry`).
Accepting counts as a response. If the backend then resets the connection before its first byte, the attempt has failed.
"""

from __future__ import annotations

import asyncio
import socket
from math import inf
from typing import TYPE_CHECKING, Final, cast

from ..core.balancer import Queued, Refusal
from ..core.exchange import Attempt, Exchange, Failure
from ..core.headers import Peer
from ..errors import is_our_own
from .origin import Origin, origin_of
from .own_responses import FINAL_FAILURES
from .proxy_protocol import encode
from .request_record import TcpRecord
from .sockets import abort_with_reset, connected_socket
from .tunnel import Tunnel

if TYPE_CHECKING:
    from .data_plane import DataPlane

METHOD: Final = "TCP"
"""Method of the exchange for core and access log. It is not idempotent."""


class _WaitingSide(asyncio.Protocol):
    """Buffers the first segment that one side sends before the tunnel is open. Reading is paused after it."""

    transport: asyncio.Transport
    early_data: bytes = b""
    half_closed: bool = False
    """Whether this side has half-closed the connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        # Pause only now, because uvloop ignores that on a transport that does not read yet.
        self.early_data += data
        self.transport.pause_reading()

    def eof_received(self) -> bool:
        self.half_closed = True
        return True


class TcpConnection(_WaitingSide):
    """A client's connection until a backend has accepted it. Then a `Tunnel` takes over both sockets."""

    def __init__(self, plane: DataPlane, origin: Origin | None = None) -> None:
        self.deadline = inf
        """No deadline, because the core's `retry.total_timeout` applies."""
        self.peer: Peer
        self._plane = plane
        self._origin = origin
        self._exchange: Exchange
        self._attempt: Attempt | None = None
        self._dialing: asyncio.Task[None] | None = None
        self._finished = False

    # --- called by the event loop ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        plane = self._plane
        self._origin = self._origin or origin_of(transport)
        self.peer = Peer(self._origin.source.host, "", plane.trusted)
        now = plane.clock()
        hash_key = self.peer.address if plane.balancer.uses_hash_key else b""
        self._exchange = plane.balancer.admit(METHOD, now, hash_key=hash_key)
        if too_many := plane.client_connected(self):
            plane.balancer.abandoned(self._exchange)
            self._refuse(too_many)
            return
        plane.exchange_started(self._exchange, self)
        self.proceed(plane.balancer.next(self._exchange, now))

    def connection_lost(self, error: Exception | None) -> None:
        """Cancel the exchange if no backend has accepted it yet."""
        if not self._finished:
            self._give_up("client_gone")
        self._plane.client_disconnected(self)

    # --- called by data plane and ticker (`Client`, `ExchangeOwner`) ---

    def proceed(self, step: Attempt | Queued | Refusal) -> None:
        """Perform the step that the core has decided on."""
        if isinstance(step, Attempt):
            self._attempt = step
            self._dialing = asyncio.get_running_loop().create_task(self._dial(step))
        elif isinstance(step, Refusal):
            self._plane.exchange_ended(self._exchange)
            self._refuse(step.reason)

    def timed_out(self, attempt: Attempt) -> None:
        """Fail the attempt."""
        if attempt is self._attempt:
            self._failed(attempt, Failure.CONNECT_TIMEOUT)

    def hedge(self, attempt: Attempt) -> None:
        """Cancel the second attempt. The core never requests one for an exchange that is not idempotent."""
        self._plane.resume(self._plane.balancer.cancelled(attempt, self._plane.clock()))

    def check_stall(self, now: float) -> None:
        """Do nothing, because connecting has a time-out of its own."""

    def expire(self, now: float) -> None:
        """Do nothing, because `deadline` never passes."""

    def stop(self) -> None:
        """Do nothing, because a connection that has begun may continue."""

    def abort(self) -> None:
        """End the connection at once."""
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
            _, backend = await asyncio.get_running_loop().create_connection(_WaitingSide, sock=sock)
        except BaseException:
            sock.close()
            raise
        self._connected(attempt, backend)

    def _connected(self, attempt: Attempt, backend: _WaitingSide) -> None:
        plane = self._plane
        if self._finished or not plane.balancer.answered(attempt, 200, plane.clock()):
            backend.transport.abort()
            return
        self._finished = True
        self._exchange.responding = True
        plane.exchange_ended(self._exchange)
        plane.client_upgraded(self)
        tunnel = Tunnel(plane, attempt.backend, lambda ended: self._ended(attempt, ended), idle=plane.tcp_idle)
        assert self._origin is not None
        proxy_header = encode(plane.proxy_header, self._origin) if plane.proxy_header else b""
        tunnel.open(self.transport, backend.transport, proxy_header + self.early_data, backend.early_data)
        for side in (self, backend):
            if side.half_closed:
                tunnel.half_closed(by_client=side is self)
            elif not side.transport.is_closing():
                side.transport.resume_reading()

    def _failed(self, attempt: Attempt, failure: Failure) -> None:
        if self._finished or attempt is not self._attempt:
            return
        self._stop_dialing()
        now = self._plane.clock()
        if self._plane.balancer.failed(attempt, failure, now):
            self.proceed(self._plane.balancer.next(self._exchange, now))
        else:
            self._plane.exchange_ended(self._exchange)
            self._refuse(FINAL_FAILURES[failure][1])

    def _stop_dialing(self) -> None:
        dialing, self._dialing, self._attempt = self._dialing, None, None
        if dialing is not None and dialing is not asyncio.current_task():
            dialing.cancel()

    # --- endings ---

    def _refuse(self, reason: str) -> None:
        self._finished = True
        abort_with_reset(self.transport)
        self._record("", reason)

    def _give_up(self, reason: str) -> None:
        self._finished = True
        plane, attempt = self._plane, self._attempt
        self._stop_dialing()
        plane.exchange_ended(self._exchange)
        plane.balancer.abandoned(self._exchange)
        if attempt is not None:
            plane.resume(plane.balancer.cancelled(attempt, plane.clock()))
        self._record("", reason)

    def _ended(self, attempt: Attempt, tunnel: Tunnel) -> None:
        plane = self._plane
        plane.client_disconnected(self)
        now = plane.clock()
        if tunnel.error == "reset":
            plane.balancer.failed(attempt, Failure.RESET, now)
        else:
            plane.resume(plane.balancer.completed(attempt, now))
        self._record(attempt.backend.id, tunnel.error, tunnel.bytes_up, tunnel.bytes_down)

    def _record(self, backend: str, error: str, bytes_in: int = 0, bytes_out: int = 0) -> None:
        exchange, plane = self._exchange, self._plane
        plane.on_tcp_done(
            TcpRecord(
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
