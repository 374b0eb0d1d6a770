"""Relays one client request: carries out the core's decisions, and passes bytes in both directions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..core.balancer import Queued, Refusal
from ..core.exchange import Attempt, Exchange, Failure
from ..core.headers import Field
from ..core.load_weights import report_in_header
from . import heads
from .dialing import Dialing
from .minimum_rate import MinimumRateTimer
from .own_responses import FINAL_FAILURES
from .ports import BackendConnection, Link, RequestSource, ResponseReceiver
from .request_framing import Body
from .response_framing import binds_connection, offers
from .response_writer import ResponseWriter
from .tunnel import Tunnel

if TYPE_CHECKING:
    from ..core.backend import Backend
    from .data_plane import DataPlane
    from .request import Request
    from .response_framing import ResponseHead

_BODY_UNDEFINED: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
"""Methods whose body has no defined meaning (RFC 9110 §9.3). Some servers do not read it, and then parse it as the
start of the next request."""


class Relay(ResponseReceiver):
    """Relay of one request. It exists until the response is written or the request is abandoned.

    It has a link for each attempt in progress: a `Dialing`, then a `BackendConnection`. There are two links while a
    hedge is in progress, else one. When the core accepts a response, all other links are dropped.
    """

    __slots__ = ("_client", "_links", "_plane", "_progress", "_rate_timer", "_uplink", "_writer", "exchange", "request")

    def __init__(self, plane: DataPlane, client: RequestSource, request: Request) -> None:
        self.request = request
        self._plane = plane
        self._client = client
        self._links: list[Link] = []
        self._uplink: BackendConnection | None = None
        """The connection to which the rest of the request body is sent while the client is still sending it."""
        self._rate_timer: MinimumRateTimer | None = None
        """Timer of the backend that sends the response or reads the request. `check_stall` creates it when needed."""
        self._writer = ResponseWriter(plane, request)
        self._progress = plane.clock()
        self.exchange: Exchange = plane.admit(request, client, self._progress)

    @property
    def client(self) -> RequestSource:
        return self._client

    def start(self) -> None:
        """Register the exchange and perform its first step."""
        self._plane.exchange_started(self.exchange, self)
        self.proceed(self._plane.balancer.next(self.exchange, self._progress))

    # --- attempts ---

    def proceed(self, step: Attempt | Queued | Refusal) -> None:
        """Perform the step that the core has decided on. After `Queued`, the next step comes with a `Resume`."""
        if isinstance(step, Attempt):
            self._launch(step)
        elif isinstance(step, Refusal):
            self._answer(step.status, step.reason, step.retry_after)

    def hedge(self, attempt: Attempt) -> None:
        """Start a second attempt beside the stalled one. Cancel it if that one has responded or ended meanwhile."""
        if self._links and not self.exchange.responding and self.request.complete and not self._is_private():
            self._launch(attempt)
        else:
            self._plane.resume(self._plane.balancer.cancelled(attempt, self._plane.clock()))

    def connected(self, dialing: Link, connection: BackendConnection) -> None:
        attempt = dialing.attempt
        assert attempt is not None
        self._links.remove(dialing)
        self._send(connection, attempt)

    def timed_out(self, attempt: Attempt) -> None:
        """Fail the attempt, unless it waits for the client."""
        if self._uplink is not None and self._uplink.attempt is attempt:
            return
        for link in self._links:
            if link.attempt is attempt:
                self.attempt_failed(link, Failure.TIMEOUT)
                return

    def attempt_failed(self, link: Link, failure: Failure) -> None:
        attempt = link.attempt
        if attempt is None:
            return
        self._unlink(link)
        link.drop()
        now = self._plane.clock()
        again = self._plane.balancer.failed(attempt, failure, now)
        if self.exchange.responding:
            self._truncate("truncated")
        elif again:
            self.proceed(self._plane.balancer.next(self.exchange, now))
        elif not self._links:
            self._answer(*FINAL_FAILURES[failure])

    def _launch(self, attempt: Attempt) -> None:
        plane = self._plane
        pool = plane.pool
        connection = pool.take_private(self._client, attempt.backend) if pool.private else None
        if connection is None:
            connection = pool.take(attempt.backend, plane.clock(), check_open=not self.exchange.idempotent)
        if connection is None:
            self._links.append(Dialing(plane, self, attempt))
        else:
            self._send(connection, attempt)

    def _send(self, connection: BackendConnection, attempt: Attempt) -> None:
        request, plane = self.request, self._plane
        self._links.append(connection)
        head = heads.to_backend(plane, self._client.peer, request, self._writer.request_id, attempt)
        if request.complete:
            body = b""
            if request.parts or request.framing.body is Body.CHUNKED:
                body = request.peek()
                self._forbid_reuse_after_body(connection)
        else:
            self._forbid_reuse_after_body(connection)
            body = self._take_body()
            self._uplink = connection
        credentials = request.framing.special.get(b"authorization")
        if credentials is not None and binds_connection(credentials):
            connection.private = True
        connection.begin(self, attempt, request.method, head + body, complete=request.complete)
        now = self._progress = plane.clock()
        plane.balancer.sent(attempt, now, complete=request.complete)
        if not request.complete:
            self._client.regulate_reading()

    def _forbid_reuse_after_body(self, connection: BackendConnection) -> None:
        """Do not reuse the connection if the backend may leave the body unread, and then parse it as a request."""
        if self.request.method in _BODY_UNDEFINED:
            connection.reusable = False

    def _is_private(self) -> bool:
        """Return whether the client is authenticated on its backend connection, so that no other one can serve it."""
        return any(isinstance(link, BackendConnection) and link.private for link in self._links)

    def _unlink(self, link: Link) -> None:
        if link in self._links:
            self._links.remove(link)
        if link is self._uplink:
            self._uplink = None

    # --- the request body ---

    @property
    def uploading(self) -> bool:
        """Return whether a backend waits for the rest of the request body."""
        return self._uplink is not None

    def upload(self) -> None:
        connection, request = self._uplink, self.request
        if connection is None:
            if self.exchange.responding:
                request.take()  # the backend does not read it any more: discard it
            return
        if connection.blocked or not (request.parts or request.complete):
            return
        connection.write(self._take_body(), complete=request.complete)
        self._progress = self._plane.clock()
        if request.complete:
            self._uplink = None
            self._restart_clocks(connection)
        self._client.regulate_reading()

    def _take_body(self) -> bytes:
        """Take the buffered part of the body. After this the request cannot be repeated."""
        if self.request.parts:
            self.exchange.replayable = False
        return self.request.take()

    def _restart_clocks(self, connection: BackendConnection) -> None:
        """Restart the attempt's time-outs, because the balancer waited for the client and not for the backend."""
        if connection.attempt is not None and connection.attempt.answered is None:
            self._plane.balancer.sent(connection.attempt, self._progress)

    # --- the response ---

    def interim(self, answer: ResponseHead) -> None:
        if answer.status != 100:  # any other one means that the backend processes the request
            self.exchange.response_begun = True
        if not self.exchange.responding:
            self._progress = self._plane.clock()
            self._client.write(self._writer.interim(answer))

    def received(
        self,
        connection: BackendConnection,
        answer: ResponseHead | None,
        parts: list[bytes],
        trailers: list[Field] | None,
    ) -> None:
        head = b""
        now = self._progress = self._plane.clock()
        if answer is not None:
            if self._plane.load_feedback:
                self._note_load(connection.backend, answer, now)
            attempt = self._accepted(connection, answer.status, now)
            if attempt is None:
                return
            head = self._writer.head(answer, attempt, now)
            if answer.status >= 400 and not connection.reusable:
                self._uplink = None  # RFC 9112 §9.5: the backend does not read the rest of the request
        body = self._writer.body(parts, trailers)
        if head or body:
            self._client.write(head + body)
        if trailers is not None:
            self._complete(connection)

    def switched(self, connection: BackendConnection, answer: ResponseHead, rest: bytes) -> None:
        if not offers(self.request.framing.upgrade, answer.framing.upgrade):
            self.attempt_failed(connection, Failure.BAD_RESPONSE)
            return
        now = self._plane.clock()
        attempt = self._accepted(connection, answer.status, now)
        if attempt is None:
            return
        self._client.write(self._writer.switching(answer, attempt, now))
        self._plane.exchange_ended(self.exchange)  # time-outs of HTTP no longer apply
        client_transport, early = self._client.hand_over()
        self._links.clear()
        tunnel = Tunnel(
            self._plane,
            attempt.backend,
            lambda ended: self._tunnel_ended(attempt, ended),
            idle=self._plane.limits.tunnel_idle,
            websocket=(answer.framing.upgrade or self.request.framing.upgrade).lower() == b"websocket",
        )
        tunnel.open(client_transport, connection.hand_over(), early, rest)

    def client_ready(self) -> None:
        """Resume reading from the backend, because the client reads again."""
        for link in self._links:
            if isinstance(link, BackendConnection):
                link.resume_reading()

    def client_blocked(self) -> None:
        """Pause reading from the backend, because the client does not keep up."""
        for link in self._links:
            if isinstance(link, BackendConnection):
                link.pause_reading()

    def _accepted(self, connection: BackendConnection, status: int, now: float) -> Attempt | None:
        """Ask the core whether to accept this response. If it does, cancel all other attempts, else end this one."""
        plane, attempt = self._plane, connection.attempt
        assert attempt is not None
        if not plane.balancer.answered(attempt, status, now):
            self._unlink(connection)
            connection.retire(now)
            if not self._links:
                self.proceed(plane.balancer.next(self.exchange, now))
            return None
        self.exchange.responding = True
        self._writer.accept(attempt, status, now)
        self._cancel_links(but=connection)
        return attempt

    def _note_load(self, backend: Backend, answer: ResponseHead, now: float) -> None:
        """Report the `X-Load` field of the response to the core, if there is one."""
        for _, lower, value in answer.fields:
            if lower == b"x-load":
                report = report_in_header(value.decode("latin-1"))
                if report is not None:
                    self._plane.balancer.reported(backend, report, now)
                return

    # --- endings: exactly one of these is reached ---

    def client_gone(self) -> None:
        """Cancel the exchange, because the client has disconnected."""
        self._cancel_links()
        self._plane.balancer.abandoned(self.exchange)
        self._finish("client_gone")

    def refuse(self, status: int, reason: str) -> None:
        """Refuse the request, because the rest of it is malformed, too large, or too slow."""
        self._cancel_links()
        self._plane.balancer.abandoned(self.exchange)
        self._answer(status, reason)

    def check_stall(self, now: float) -> None:
        """End the exchange if its backend stalls, or is below the minimum rate, while it sends the response or reads
        the request. Also end a response of unknown length after `answer_total`."""
        limits = self._plane.limits
        waiting = self.exchange.responding or (self._uplink is not None and self._uplink.blocked)
        if self._rate_timer is None:
            if not waiting:
                return
            self._rate_timer = MinimumRateTimer(
                limits.upstream_stall, limits.upstream_stall_rate, now, self._transferred
            )
        slow = self._rate_timer.deadline(self._transferred, now, running=waiting and not self._client.blocked) <= now
        if self._client.blocked or not waiting:
            return
        if now - self._progress > limits.upstream_stall or (slow and not self._writer.streams):
            for link in tuple(self._links):
                self.attempt_failed(link, Failure.TRUNCATED if self.exchange.responding else Failure.TIMEOUT)
        elif self._writer.streams and 0 < limits.answer_total < now - self._rate_timer.since:
            self._truncate("answer_total")

    @property
    def _transferred(self) -> int:
        """Return the number of body bytes that have been forwarded, in both directions."""
        return self.request.received - self.request.buffered + self._writer.bytes_out

    def _complete(self, connection: BackendConnection) -> None:
        attempt = connection.attempt
        assert attempt is not None
        self._links.clear()
        connection.retire(self._progress)
        resumed = self._plane.balancer.completed(attempt, self._progress)
        self._finish("")
        self._client.response_finished(close=self._writer.close)
        if resumed:
            self._plane.resume(resumed)

    def _answer(self, status: int, reason: str, retry_after: float | None = None) -> None:
        """Send a response of the balancer itself. If a backend's response has begun, truncate it instead."""
        if self.exchange.responding:
            self._truncate(reason)
            return
        self._client.write(self._writer.own_response(self.exchange, status, reason, retry_after))
        self._finish(reason)
        self._client.response_finished(close=self._writer.close)

    def _truncate(self, error: str) -> None:
        self._cancel_links()
        self._finish(error)
        self._client.truncate(reset=self._writer.lasts_until_eof)

    def _tunnel_ended(self, attempt: Attempt, tunnel: Tunnel) -> None:
        self.request.received += tunnel.bytes_up
        self._writer.bytes_out += tunnel.bytes_down
        self._plane.client_disconnected(self._client)
        resumed = self._plane.balancer.completed(attempt, self._plane.clock())
        self._finish("")
        self._plane.resume(resumed)

    def _cancel_links(self, but: BackendConnection | None = None) -> None:
        if len(self._links) == 1 and self._links[0] is but:
            return
        links, self._links = self._links, [but] if but is not None else []
        if self._uplink is not but:
            self._uplink = None
        for link in links:
            attempt = link.attempt
            if link is but or attempt is None:
                continue
            link.drop()
            self._plane.resume(self._plane.balancer.cancelled(attempt, self._plane.clock()))

    def _finish(self, error: str) -> None:
        self._plane.exchange_ended(self.exchange)
        self._plane.request_done(self._writer.record(self.exchange, self._client.peer.address, error))
