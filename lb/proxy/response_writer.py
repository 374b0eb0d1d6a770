"""Encodes the response of one request for its client, counts its bytes, and creates the request's record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.exchange import Attempt, Exchange
from ..core.headers import Field, response_head
from . import heads
from .own_responses import own_response
from .request import encode_body
from .request_framing import Body
from .request_record import RequestRecord

if TYPE_CHECKING:
    from .data_plane import DataPlane
    from .request import Request
    from .response_framing import ResponseHead


class ResponseWriter:
    """Encodes a backend's response, or one of the balancer itself, into bytes. It does not send them."""

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

    def __init__(self, plane: DataPlane, request: Request) -> None:
        self._plane = plane
        self._request = request
        self._body = Body.NONE
        self._continued = False
        self._status = 0
        self._backend = ""
        self._backend_s = 0.0
        self.bytes_out = 0
        self.close = False
        """Whether the response head announces that the connection closes."""
        self.request_id = heads.choose_request_id(plane, request)

    @property
    def lasts_until_eof(self) -> bool:
        """Whether the body ends with the connection."""
        return self._body is Body.EOF

    @property
    def streams(self) -> bool:
        """Whether the length of the body is unknown."""
        return self._body is Body.EOF or self._body is Body.CHUNKED

    def interim(self, answer: ResponseHead) -> bytes:
        """Return a 1xx response (RFC 9110 §15.2), but `100 Continue` only once: a retry must not repeat it."""
        if self._request.version == "1.0" or (answer.status == 100 and self._continued):
            return b""
        self._continued |= answer.status == 100
        return response_head(answer.status, answer.fields, answer.framing.removed, b"")

    def accept(self, attempt: Attempt, status: int, now: float) -> None:
        """Record which attempt's response was accepted."""
        self._status = status
        self._backend = attempt.backend.id
        self._backend_s = now - attempt.started

    def head(self, answer: ResponseHead, attempt: Attempt, now: float) -> bytes:
        """Return the head for the client. On HTTP/1.0, a body of unknown length ends with EOF instead of chunks."""
        request = self._request
        body = answer.framing.body
        if body is Body.EOF or body is Body.CHUNKED:
            body = Body.EOF if request.version == "1.0" else Body.CHUNKED
        self._body = body
        self.close = self._must_close() or body is Body.EOF
        return heads.to_client(request, answer, body, self._added_lines(attempt, now), close=self.close)

    def switching(self, answer: ResponseHead, attempt: Attempt, now: float) -> bytes:
        """Return the head of a 101 response."""
        protocol = answer.framing.upgrade or self._request.framing.upgrade
        return heads.switching(answer, protocol, self._added_lines(attempt, now))

    def body(self, parts: list[bytes], trailers: list[Field] | None) -> bytes:
        """Return encoded parts of the body. `trailers` is None until the body is complete."""
        if parts:
            for part in parts:
                self.bytes_out += len(part)
        elif self._body is not Body.CHUNKED:
            return b""
        return encode_body(self._body, parts, trailers)

    def own_response(self, exchange: Exchange, status: int, reason: str, retry_after: float | None) -> bytes:
        """Return a response of the balancer itself."""
        self._status = status
        self.close = self._must_close()
        added = b"X-Request-Id: %s\r\n%s%s" % (self.request_id, heads.tried_line(exchange), self._plane.panic_line)
        with_body = self._request.method != "HEAD"
        return own_response(status, reason, retry_after=retry_after, extra=added, close=self.close, body=with_body)

    def record(self, exchange: Exchange, client: bytes, error: str) -> RequestRecord:
        """Return the record of the request."""
        return RequestRecord(
            method=exchange.method,
            target=self._request.framing.target,
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

    def _added_lines(self, attempt: Attempt, now: float) -> bytes:
        plane = self._plane
        added = heads.added_lines(plane, attempt.exchange, attempt, self.request_id, now, self._backend_s)
        if plane.sticky is not None:
            added += plane.sticky.line(plane.balancer.new_pin(attempt.exchange, attempt.backend))
        return added + plane.panic_line

    def _must_close(self) -> bool:
        """Return whether to close the connection, for example because an unread rest of the request would be parsed as
        the next one."""
        return not self._request.keep_alive or not self._request.complete or self._plane.stopping
