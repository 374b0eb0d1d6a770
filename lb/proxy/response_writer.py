"""The client's side of one relay: how the answer is framed for it, what of it is out, and the record of it all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.exchange import Attempt, Exchange
from ..core.headers import Field, response_head
from . import heads
from .own_responses import answer as own_answer
from .request import encode_body
from .request_framing import Body
from .request_record import Record

if TYPE_CHECKING:
    from .data_plane import Plane
    from .request import Request
    from .response_framing import Answer


class Reply:
    """Turns a backend's answer, or the balancer's own, into bytes; it sends nothing itself."""

    __slots__ = (
        "_backend",
        "_backend_s",
        "_body",
        "_continued",
        "_plane",
        "_request",
        "_status",
        "bytes_out",
        "close",
        "request_id",
    )

    def __init__(self, plane: Plane, request: Request) -> None:
        self._plane = plane
        self._request = request
        self._body = Body.NONE
        self._continued = False
        self._status = 0
        self._backend = ""
        self._backend_s = 0.0
        self.bytes_out = 0
        self.close = False
        """The head said that the connection ends with this answer."""
        self.request_id = heads.choose_request_id(plane, request)

    @property
    def lasts_until_eof(self) -> bool:
        """The client knows the end of the body only by the end of the connection."""
        return self._body is Body.EOF

    @property
    def streams(self) -> bool:
        """Nobody knows how long the body is going to be."""
        return self._body is Body.EOF or self._body is Body.CHUNKED

    def interim(self, answer: Answer) -> bytes:
        """A 1xx (RFC 9110 §15.2), but `100 Continue` only once: a retry must not repeat the invitation."""
        if self._request.version == "1.0" or (answer.status == 100 and self._continued):
            return b""
        self._continued |= answer.status == 100
        return response_head(answer.status, answer.fields, answer.shape.removed, b"")

    def accept(self, attempt: Attempt, status: int, now: float) -> None:
        """This attempt's answer is the one."""
        self._status = status
        self._backend = attempt.backend.id
        self._backend_s = now - attempt.started

    def head(self, answer: Answer, attempt: Attempt, now: float) -> bytes:
        """The backend's head for this client. HTTP/1.0 has no chunks: there a body of unknown length ends with EOF."""
        request = self._request
        body = answer.shape.body
        if body is Body.EOF or body is Body.CHUNKED:
            body = Body.EOF if request.version == "1.0" else Body.CHUNKED
        self._body = body
        self.close = self._must_close() or body is Body.EOF
        return heads.to_client(request, answer, body, self._own_lines(attempt, now), close=self.close)

    def switching(self, answer: Answer, attempt: Attempt, now: float) -> bytes:
        """The head that ends HTTP on this connection."""
        protocol = answer.shape.upgrade or self._request.shape.upgrade
        return heads.switching(answer, protocol, self._own_lines(attempt, now))

    def body(self, parts: list[bytes], trailers: list[Field] | None) -> bytes:
        """One segment's worth of body; `trailers` is None until it is complete."""
        if parts:
            for part in parts:
                self.bytes_out += len(part)
        elif self._body is not Body.CHUNKED:
            return b""
        return encode_body(self._body, parts, trailers)

    def own(self, exchange: Exchange, status: int, reason: str, retry_after: float | None) -> bytes:
        """The balancer's own answer."""
        self._status = status
        self.close = self._must_close()
        own = b"X-Request-Id: %s\r\n%s%s" % (self.request_id, heads.tried_line(exchange), self._plane.panic_line)
        with_body = self._request.method != "HEAD"
        return own_answer(status, reason, retry_after=retry_after, own=own, close=self.close, body=with_body)

    def record(self, exchange: Exchange, client: bytes, error: str) -> Record:
        """What became of the request."""
        return Record(
            method=exchange.method,
            target=self._request.shape.target,
            status=self._status,
            backend=self._backend,
            attempts=len(exchange.tried),
            started=exchange.started,
            total_s=self._plane.clock() - exchange.started,
            backend_s=self._backend_s,
            bytes_in=self._request.received,
            bytes_out=self.bytes_out,
            error=error,
            request_id=self.request_id,
            client=client,
            story=exchange.steps,
        )

    def _own_lines(self, attempt: Attempt, now: float) -> bytes:
        plane = self._plane
        own = heads.own_lines(plane, attempt.exchange, attempt, self.request_id, now, self._backend_s)
        if plane.sticky is not None:
            own += plane.sticky.line(plane.balancer.new_pin(attempt.exchange, attempt.backend))
        return own + plane.panic_line

    def _must_close(self) -> bool:
        """An unread rest of the request would be taken for the next one."""
        return not self._request.keep_alive or not self._request.complete or self._plane.stopping
