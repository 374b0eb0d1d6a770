"""One client request on its way: asks the core what to do, does it, and carries the bytes both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..core.balancer import Queued, Refusal
from ..core.exchange import Attempt, Exchange, Failure
from ..core.headers import Field
from . import heads
from .dialing import Dialing
from .minimum_rate import Pace
from .own_responses import GAVE_UP
from .reported_load import note_load
from .request_framing import Body
from .response_framing import binds_connection, offers
from .response_writer import Reply
from .tunnel import Tunnel

if TYPE_CHECKING:
    from .client import ClientConnection
    from .data_plane import Plane
    from .origin import Origin
    from .request import Request
    from .response_framing import Answer
    from .upstream import UpstreamConnection


_BODY_MEANS_NOTHING: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
"""RFC 9110 §9.3: content in them has no defined meaning, and some servers leave it unread in front of what follows."""


class Relay:
    """Lives from the moment a request may start until its answer is written, or nobody wants it any more.

    It holds a link for each attempt under way: a `Dialing`, then an `UpstreamConnection`. There are two while a hedge
    runs and one otherwise; whichever link the core accepts an answer from is the only one left.
    """

    __slots__ = ("_client", "_links", "_pace", "_plane", "_progress", "_reply", "_uplink", "exchange", "request")

    def __init__(self, plane: Plane, client: ClientConnection, request: Request) -> None:
        self.request = request
        self._plane = plane
        self._client = client
        self._links: list[Dialing | UpstreamConnection] = []
        self._uplink: UpstreamConnection | None = None
        """Where the rest of the request body goes while it is still coming."""
        self._pace: Pace | None = None
        """Of the backend that answers or reads; made when the relay is first looked at."""
        self._reply = Reply(plane, request)
        self._progress = plane.clock()
        self.exchange: Exchange = plane.admit(request, client, self._progress)

    @property
    def client(self) -> ClientConnection:
        """Whose request it is."""
        return self._client

    @property
    def origin(self) -> Origin:
        """Where the client's connection comes from."""
        return self._client.origin

    def start(self) -> None:
        """Take the first step."""
        self._plane.enter(self.exchange, self)
        self.proceed(self._plane.balancer.next(self.exchange, self._progress))

    # --- attempts ---

    def proceed(self, step: Attempt | Queued | Refusal) -> None:
        """Do what the core answered to `next`. Queued needs nothing: a later `Resume` brings the next step."""
        if isinstance(step, Attempt):
            self._launch(step)
        elif isinstance(step, Refusal):
            self._answer(step.status, step.reason, step.retry_after)

    def hedge(self, attempt: Attempt) -> None:
        """Start a second attempt beside the stalled one, if that still makes sense."""
        if self._links and not self.exchange.responding and self.request.complete and not self._is_private():
            self._launch(attempt)
        else:
            self._plane.resume(self._plane.balancer.cancelled(attempt, self._plane.clock()))

    def connected(self, dialing: Dialing, connection: UpstreamConnection) -> None:
        """A new connection is there for its attempt."""
        self._links.remove(dialing)
        self._send(connection, dialing.attempt)

    def timed_out(self, attempt: Attempt) -> None:
        """The core's patience with `attempt` is over, unless the client is what it waits for."""
        if self._uplink is not None and self._uplink.attempt is attempt:
            return
        for link in self._links:
            if link.attempt is attempt:
                self.attempt_failed(link, Failure.TIMEOUT)
                return

    def attempt_failed(self, link: Dialing | UpstreamConnection, failure: Failure) -> None:
        """The link ended badly: try again, wait for the twin, or tell the client."""
        attempt = link.attempt
        if attempt is None:
            return
        self._unlink(link)
        link.drop()
        now = self._plane.clock()
        again = self._plane.balancer.failed(attempt, failure, now)
        if self.exchange.responding:
            self._cut("truncated")
        elif again:
            self.proceed(self._plane.balancer.next(self.exchange, now))
        elif not self._links:
            self._answer(*GAVE_UP[failure])

    def _launch(self, attempt: Attempt) -> None:
        plane = self._plane
        pool = plane.pool
        connection = pool.take_own(self._client, attempt.backend) if pool.private else None
        if connection is None:
            connection = pool.take(attempt.backend, plane.clock(), careful=not self.exchange.idempotent)
        if connection is None:
            self._links.append(Dialing(plane, self, attempt))
        else:
            self._send(connection, attempt)

    def _send(self, connection: UpstreamConnection, attempt: Attempt) -> None:
        request, plane = self.request, self._plane
        self._links.append(connection)
        head = heads.to_backend(plane, self._client.peer, request, self._reply.request_id, attempt)
        if request.complete:
            body = b""
            if request.parts or request.shape.body is Body.CHUNKED:
                body = request.peek()
                self._note_body(connection)
        else:
            self._note_body(connection)
            body = self._take()
            self._uplink = connection
        credentials = request.shape.special.get(b"authorization")
        if credentials is not None and binds_connection(credentials):
            connection.private = True
        connection.begin(self, attempt, request.method, head + body, complete=request.complete)
        now = self._progress = plane.clock()
        plane.balancer.sent(attempt, now, complete=request.complete)
        if not request.complete:
            self._client.regulate()

    def _note_body(self, connection: UpstreamConnection) -> None:
        """A backend that does not read the body of such a request takes it for the next one: there must be none."""
        if self.request.method in _BODY_MEANS_NOTHING:
            connection.reusable = False

    def _is_private(self) -> bool:
        """Only the connection under way knows whose request it is: another backend would answer it as nobody's."""
        return any(not isinstance(link, Dialing) and link.private for link in self._links)

    def _unlink(self, link: Dialing | UpstreamConnection) -> None:
        if link in self._links:
            self._links.remove(link)
        if link is self._uplink:
            self._uplink = None

    # --- the request body ---

    @property
    def uploading(self) -> bool:
        """A backend waits for the rest of the request body."""
        return self._uplink is not None

    def upload(self) -> None:
        """More of the request body is here, or the backend reads again."""
        connection, request = self._uplink, self.request
        if connection is None:
            if self.exchange.responding:
                request.take()  # refused: nobody waits for it
            return
        if connection.blocked or not (request.parts or request.complete):
            return
        connection.write(self._take(), complete=request.complete)
        self._progress = self._plane.clock()
        if request.complete:
            self._uplink = None
            self._restart_clocks(connection)
        self._client.regulate()

    def _take(self) -> bytes:
        """The buffered part of the body. After this there is no second attempt with the same body."""
        if self.request.parts:
            self.exchange.replayable = False
        return self.request.take()

    def _restart_clocks(self, connection: UpstreamConnection) -> None:
        """Only from now on is it the backend that all wait for: the client's pace must not count as its stall."""
        if connection.attempt is not None and connection.attempt.answered is None:
            self._plane.balancer.sent(connection.attempt, self._progress)

    # --- the answer ---

    def interim(self, answer: Answer) -> None:
        """Pass on a 1xx, which commits to nothing. All but `100 Continue` tell of work that has begun."""
        if answer.status != 100:
            self.exchange.response_begun = True
        if not self.exchange.responding:
            self._progress = self._plane.clock()
            self._client.write(self._reply.interim(answer))

    def received(
        self, connection: UpstreamConnection, answer: Answer | None, parts: list[bytes], trailers: list[Field] | None
    ) -> None:
        """One segment's worth of answer. `trailers` is None until it is complete."""
        head = b""
        now = self._progress = self._plane.clock()
        if answer is not None:
            if self._plane.load_feedback:
                note_load(self._plane, connection.backend, answer, now)
            attempt = self._accepted(connection, answer.status, now)
            if attempt is None:
                return
            head = self._reply.head(answer, attempt, now)
            if answer.status >= 400 and not connection.reusable:
                self._uplink = None  # RFC 9112 §9.5: it does not want the rest of the request
        body = self._reply.body(parts, trailers)
        if head or body:
            self._client.write(head + body)
        if trailers is not None:
            self._complete(connection)

    def switched(self, connection: UpstreamConnection, answer: Answer, rest: bytes) -> None:
        """The backend agreed to another protocol: from here on the two sockets are a tunnel."""
        if not offers(self.request.shape.upgrade, answer.shape.upgrade):
            self.attempt_failed(connection, Failure.BAD_RESPONSE)
            return
        now = self._plane.clock()
        attempt = self._accepted(connection, answer.status, now)
        if attempt is None:
            return
        self._client.write(self._reply.switching(answer, attempt, now))
        self._plane.leave(self.exchange)  # no time-out of HTTP applies any more
        client_transport, early = self._client.hand_over()
        self._links.clear()
        tunnel = Tunnel(
            self._plane,
            attempt.backend,
            lambda ended: self._tunnel_ended(attempt, ended),
            idle=self._plane.limits.tunnel_idle,
            websocket=(answer.shape.upgrade or self.request.shape.upgrade).lower() == b"websocket",
        )
        tunnel.open(client_transport, connection.hand_over(), early, rest)

    def client_ready(self) -> None:
        """The client reads again."""
        for link in self._links:
            if not isinstance(link, Dialing):
                link.go_on()

    def client_blocked(self) -> None:
        """The client does not keep up: stop reading from the backend that answers it."""
        for link in self._links:
            if not isinstance(link, Dialing):
                link.hold()

    def _accepted(self, connection: UpstreamConnection, status: int, now: float) -> Attempt | None:
        """Ask the core whether this answer is the one. The others end here, and so does this one if it is not."""
        plane, attempt = self._plane, connection.attempt
        assert attempt is not None
        if not plane.balancer.answered(attempt, status, now):
            self._unlink(connection)
            connection.retire(now)
            if not self._links:
                self.proceed(plane.balancer.next(self.exchange, now))
            return None
        self.exchange.responding = True
        self._reply.accept(attempt, status, now)
        self._cancel_links(but=connection)
        return attempt

    # --- endings: exactly one of these is reached ---

    def client_gone(self) -> None:
        """Nobody waits for the answer: free the backend, or the place in the queue."""
        self._cancel_links()
        self._plane.balancer.abandoned(self.exchange)
        self._over("client_gone")

    def refuse(self, status: int, reason: str) -> None:
        """The rest of the request turned out to be unacceptable, or does not come."""
        self._cancel_links()
        self._plane.balancer.abandoned(self.exchange)
        self._answer(status, reason)

    def check_stall(self, now: float) -> None:
        """End an exchange whose backend stops, or all but stops, in the middle of the answer or of reading the request;
        and an answer without an end after a day."""
        limits = self._plane.limits
        waiting = self.exchange.responding or (self._uplink is not None and self._uplink.blocked)
        if self._pace is None:
            if not waiting:
                return
            self._pace = Pace(limits.upstream_stall, limits.upstream_stall_rate, now, self._moved)
        slow = self._pace.until(self._moved, now, running=waiting and not self._client.blocked) <= now
        if self._client.blocked or not waiting:
            return
        if now - self._progress > limits.upstream_stall or (slow and not self._reply.streams):
            for link in tuple(self._links):
                self.attempt_failed(link, Failure.TRUNCATED if self.exchange.responding else Failure.TIMEOUT)
        elif self._reply.streams and 0 < limits.answer_total < now - self._pace.since:
            self._cut("answer_total")

    @property
    def _moved(self) -> int:
        """Body bytes that have gone from one side to the other."""
        return self.request.received - self.request.buffered + self._reply.bytes_out

    def _complete(self, connection: UpstreamConnection) -> None:
        attempt = connection.attempt
        assert attempt is not None
        self._links.clear()
        connection.retire(self._progress)
        resumed = self._plane.balancer.completed(attempt, self._progress)
        self._over("")
        self._client.finished(close=self._reply.close)
        if resumed:
            self._plane.resume(resumed)

    def _answer(self, status: int, reason: str, retry_after: float | None = None) -> None:
        """The balancer's own answer; where one has already begun, only the cut connection can tell."""
        if self.exchange.responding:
            self._cut(reason)
            return
        self._client.write(self._reply.own(self.exchange, status, reason, retry_after))
        self._over(reason)
        self._client.finished(close=self._reply.close)

    def _cut(self, error: str) -> None:
        self._cancel_links()
        self._over(error)
        self._client.cut(reset=self._reply.lasts_until_eof)

    def _tunnel_ended(self, attempt: Attempt, tunnel: Tunnel) -> None:
        self.request.received += tunnel.bytes_up
        self._reply.bytes_out += tunnel.bytes_down
        self._plane.left(self._client)
        resumed = self._plane.balancer.completed(attempt, self._plane.clock())
        self._over("")
        self._plane.resume(resumed)

    def _cancel_links(self, but: UpstreamConnection | None = None) -> None:
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

    def _over(self, error: str) -> None:
        self._plane.leave(self.exchange)
        self._plane.done(self._reply.record(self.exchange, self._client.peer.address, error))
