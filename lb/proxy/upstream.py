"""The backend's side: one connection, one request at a time, and what comes back on it."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final, cast

import httptools

from ..core.exchange import Attempt, Failure
from ..core.headers import Field
from .request_framing import Body, MalformedError, head_size
from .response_framing import Answer, ResponseShape, check_response, is_http, is_http_after_interim
from .response_repair import Draft
from .sockets import connected_socket, received
from .trailers import passed

if TYPE_CHECKING:
    from ..core.backend import Backend
    from .data_plane import Plane
    from .exchange_relay import Relay


async def connect(backend: Backend, plane: Plane) -> UpstreamConnection:
    """A new connection to `backend`. Raises OSError (refused, unreachable) or TimeoutError."""
    sock = await connected_socket(backend, plane.connect_timeout)
    loop = asyncio.get_running_loop()
    try:
        connection = UpstreamConnection(plane, backend, sock)
        await loop.create_connection(lambda: cast(asyncio.Protocol, connection), sock=sock)
    except BaseException:
        sock.close()
        raise
    return connection


_FIRST_BYTE: Final = ord("H")
"""Of every status line (RFC 9112 §4)."""


class UpstreamConnection:
    """An `asyncio.Protocol` in all but name, as `ClientConnection` is.

    Collects what one segment brings, then tells its relay once: one call, and one write to the client, a segment."""

    def __init__(self, plane: Plane, backend: Backend, sock: socket.socket | None = None) -> None:
        self.backend = backend
        self.relay: Relay | None = None
        self.attempt: Attempt | None = None
        self.idle_since = 0.0
        self.blocked = False
        """The backend does not read: write no more than necessary."""
        self.reusable = True
        self.private = False
        """It speaks for one client: an authentication that belongs to the connection was asked for or given."""
        self.upload_done = True
        """The request is written to its end."""
        self._plane = plane
        self._sock = sock
        self._transport: asyncio.Transport
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._reading = True
        self._reset("")

    def _reset(self, method: str) -> None:
        self._method = method
        self._fields: list[Field] = []
        self._trailers: list[Field] = []
        self._head_size = 0
        self._interims: list[Answer] = []
        self._answer: Answer | None = None
        self._shape: ResponseShape | None = None
        self._parts: list[bytes] = []
        self._complete = False
        self._started = False
        """A head has begun, be it with one byte."""
        self._in_interim = False
        self._malformed = False
        self._told = False
        self._draft: Draft | None = None
        self._gathered = False
        """The rest of a small answer has been waited for long enough."""

    # --- the relay's verbs ---

    def begin(self, relay: Relay, attempt: Attempt, method: str, data: bytes, *, complete: bool) -> None:
        """Write the start of a request; `complete` tells whether that is all of it."""
        self.relay = relay
        self.attempt = attempt
        self.upload_done = complete
        self._reset(method)
        self._plane.outbox.put(self._transport, data)

    def write(self, data: bytes, *, complete: bool) -> None:
        """Write more of the request."""
        self.upload_done = complete
        self._plane.outbox.put(self._transport, data)

    def hold(self) -> None:
        """Read no more for now: the client does not keep up."""
        if self._reading and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def go_on(self) -> None:
        """Read again."""
        if not self._reading and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    def end_gathering(self) -> None:
        """Wait no longer for the rest of a small answer."""
        self._plane.gathering.pop(self, None)
        self._gathered = True
        self._tell(None)

    def retire(self, now: float) -> None:
        """The request is over for the relay: keep the connection if both messages ended cleanly, else close it."""
        clean = self._complete and self.reusable and self.upload_done and not self._transport.is_closing()
        relay, self.relay, self.attempt = self.relay, None, None
        if not clean or self._plane.stopping:
            self.abort()
            return
        self.go_on()
        if not self.private:
            self._plane.pool.release(self, now)
        elif relay is not None:
            self._plane.pool.keep_for(relay.client, self)

    def drop(self) -> None:
        """Give the request up: nothing more is reported, and the backend sees the connection go."""
        self.relay = self.attempt = None
        self.abort()

    def close(self) -> None:
        """Close an idle connection."""
        self._transport.close()

    def abort(self) -> None:
        """Close at once, whatever is still to be written."""
        self._transport.abort()

    def hand_over(self) -> asyncio.Transport:
        """Let go of the transport: it belongs to a tunnel now."""
        self._plane.outbox.flush()
        self.relay = self.attempt = self._parser = None
        return self._transport

    def is_stale(self) -> bool:
        """Whether the peer has closed, or sent what nobody asked for, and the event loop has yet to notice."""
        if self._transport.is_closing():
            return True
        if self._sock is None:
            return False
        try:
            self._sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    # --- the event loop's ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        parser = self._parser
        if self.relay is None or parser is None:
            self._plane.pool.forget(self, self._plane.clock())  # an answer to no question: RFC 9112 §9.2
            self.abort()
            return
        rest: bytes | None = None
        self._head_size += len(data)
        if not self._started and data[0] != _FIRST_BYTE and not is_http(data):
            self._malformed = True
        try:
            if self._draft is not None and self._draft.refused:
                self._mend(data)
            else:
                parser.feed_data(data)
                if self._shape is None:
                    self._keep_draft(data)
        except httptools.HttpParserUpgrade as switch:
            rest = data[switch.args[0] :]
        except httptools.HttpParserError:
            self._mend(data)
        if self._head_size > self._plane.limits.head and not self._complete:
            self._malformed = True  # a head, or what is between the parts of a body: extensions and trailers
        if self._interims and not is_http_after_interim(data):
            self._malformed = True
        self._tell(rest)

    def eof_received(self) -> None:
        if self.relay is None:
            self._ended_idle()
        elif self._shape is not None and self._shape.body is Body.EOF and not self._complete:
            self._complete = True
            self.reusable = False
            self._tell(None)

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None and self.relay is not None and self._sock is not None:
            self._read_what_is_there(self._sock)
        self._parser = None  # it refers to us: break the cycle rather than wait for the collector
        if self.relay is None:
            self._ended_idle()
            return
        self.relay.attempt_failed(self, Failure.TRUNCATED if self._told else Failure.RESET)

    def pause_writing(self) -> None:
        self.blocked = True

    def resume_writing(self) -> None:
        self.blocked = False
        if self.relay is not None:
            self.relay.upload()

    # --- the parser's ---

    def on_message_begin(self) -> None:
        self._started = True
        if self._complete:
            self.reusable = False  # bytes beyond the answer: what they are is not worth finding out

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name, name.lower(), value))

    def on_headers_complete(self) -> None:
        parser = self._parser
        if self._complete or self._malformed or parser is None:
            return  # what follows a malformed head must not stand in for it
        status = parser.get_status_code()
        fields, self._fields = self._fields, []
        limits = self._plane.limits
        if self._head_size > limits.head and head_size(fields) > limits.head:
            self._malformed = True
            return
        try:
            shape = check_response(self._method, status, parser.get_http_version(), fields, limits)
        except MalformedError:
            self._malformed = True
            return
        if shape.private:
            self.private = True
        answer = Answer(status, fields, shape)
        if status < 200:
            if status != 101:
                self._in_interim = True
                self._interims.append(answer)
                return
            if not parser.should_upgrade():
                self._malformed = True  # a switch to nothing (RFC 9110 §15.2.2)
                return
        self._answer, self._shape = answer, shape
        if shape.mended or not parser.should_keep_alive():
            self.reusable = False
        if self._method == "HEAD":
            self._end_without_body()

    def on_body(self, part: bytes) -> None:
        if self._complete:
            self.reusable = False
        elif not self._malformed:
            self._head_size = 0
            self._parts.append(part)

    def on_message_complete(self) -> None:
        if self._in_interim:
            self._in_interim = self._started = False
        elif self._shape is not None and not self._complete and not self._malformed:
            self._complete = True
            self._trailers = self._checked_trailers() if self._fields else []

    # --- between the two ---

    def _keep_draft(self, data: bytes) -> None:
        """The head is not complete: what there is of it may have to be mended."""
        if self._draft is None:
            self._draft = Draft()
        self._draft.raw += data
        self._draft.interims += len(self._interims)

    def _mend(self, data: bytes) -> None:
        """llhttp has refused the head: read it again without what does no harm."""
        draft = self._draft = self._draft or Draft()
        before = len(self._interims)
        draft.interims += before
        head = draft.mend(data, self._method) if self._shape is None else None
        self._malformed = head is None
        if not head:
            return
        self._fields = []
        self.reusable = False
        self._parser = httptools.HttpResponseParser(self)
        try:
            self._parser.feed_data(head)
        except httptools.HttpParserError:
            self._malformed = True
        if self._shape is None:
            self._draft = Draft()
            self._draft.raw, self._draft.interims = head, len(self._interims) - before

    def _read_what_is_there(self, sock: socket.socket) -> None:
        """A backend that answers and closes without reading the whole request makes our writing fail (RFC 9112 §9.6).
        Its answer has come before that: the kernel still has it, and the event loop no longer looks.

        The end of what is there is not the end of the answer: after a reset both look alike.
        """
        for data in received(sock.fileno()):
            if self.relay is None:
                return
            self.data_received(data)

    def _ended_idle(self) -> None:
        """Nobody waits for anything here; the balancer hears of it where it tells something of the backend."""
        now = self._plane.clock()
        if self._plane.pool.forget(self, now):
            self._plane.balancer.closed_early(self.backend, now)

    def _end_without_body(self) -> None:
        """llhttp cannot be told that this answers a HEAD and would wait for the body: a new parser takes over."""
        self._complete = True
        self._parser = httptools.HttpResponseParser(self)

    def _tell(self, rest: bytes | None) -> None:
        """Pass on what has been collected; `rest` is what follows a 101 and belongs to the other protocol."""
        relay = self.relay
        if relay is None:
            return
        if self._interims:
            self._tell_interims(relay)
        if self._malformed and not self._complete:
            relay.attempt_failed(self, Failure.BAD_RESPONSE if not self._told else Failure.TRUNCATED)
            return
        if self._malformed:
            self.reusable = False
        if self._should_gather():
            return
        answer, self._answer = self._answer, None
        if answer is not None:
            self._told = True
            self._plane.gathering.pop(self, None)
            if answer.status == 101:
                relay.switched(self, answer, rest or b"")
                return
        parts, self._parts = self._parts, []
        if answer is not None or parts or self._complete:
            relay.received(self, answer, parts, self._trailers if self._complete else None)
        elif self._started and self.attempt is not None:
            self.attempt.exchange.response_begun = True

    def _should_gather(self) -> bool:
        """Whether the head waits for the rest: the answer is small and the client has seen nothing of it."""
        answer, plane = self._answer, self._plane
        if answer is None or self._complete or self._gathered:
            return False
        if answer.shape.body is not Body.LENGTH or answer.shape.length > plane.limits.buffered:
            return False
        if self not in plane.gathering:
            plane.gathering[self] = plane.clock() + plane.limits.gather_answer
            if self.attempt is not None:
                self.attempt.exchange.response_begun = True
        return True

    def _tell_interims(self, relay: Relay) -> None:
        interims, self._interims = self._interims, []
        for interim in interims:
            relay.interim(interim)

    def _checked_trailers(self) -> list[Field]:
        """The trailers as they are now: the fields of a surplus answer in the same segment must not join them."""
        trailers, self._fields = self._fields, []
        try:
            return passed(trailers, self._plane.limits)
        except MalformedError:
            self.reusable = False
            return []
