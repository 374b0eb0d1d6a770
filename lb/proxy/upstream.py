"""A connection to a backend, which carries one request at a time and parses its response."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final, cast

import httptools

from ..core.exchange import Attempt, Failure
from ..core.headers import Field
from .ports import BackendConnection, ResponseReceiver
from .request_framing import Body, MalformedError, head_size
from .response_framing import ResponseFraming, ResponseHead, check_response, is_http, is_http_after_interim
from .response_repair import PartialHead
from .sockets import received
from .trailers import allowed_trailers

if TYPE_CHECKING:
    from ..core.backend import Backend
    from .data_plane import DataPlane


_FIRST_BYTE: Final = ord("H")
"""First byte of every status line (RFC 9112 §4)."""


class UpstreamConnection(BackendConnection):
    """Has the methods of `asyncio.Protocol`, like `ClientConnection`.

    It collects the content of one segment and then calls its receiver once, so that the client gets one write per
    segment.
    """

    def __init__(self, plane: DataPlane, backend: Backend, sock: socket.socket | None = None) -> None:
        self.backend = backend
        self.receiver: ResponseReceiver | None = None
        self.attempt: Attempt | None = None
        self.idle_since = 0.0
        self.blocked = False
        self.reusable = True
        self.private = False
        self.upload_done = True
        """Whether the request is completely written."""
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
        self._interims: list[ResponseHead] = []
        self._answer: ResponseHead | None = None
        self._framing: ResponseFraming | None = None
        self._parts: list[bytes] = []
        self._complete = False
        self._started = False
        """Whether at least one byte of a response head has arrived."""
        self._in_interim = False
        self._malformed = False
        self._delivered = False
        self._partial_head: PartialHead | None = None
        self._gathered = False
        """Whether the head of a small response no longer waits for its body."""

    # --- called by relay, pool and ticker ---

    def begin(self, receiver: ResponseReceiver, attempt: Attempt, method: str, data: bytes, *, complete: bool) -> None:
        self.receiver = receiver
        self.attempt = attempt
        self.upload_done = complete
        self._reset(method)
        self._plane.write_batch.put(self._transport, data)

    def write(self, data: bytes, *, complete: bool) -> None:
        self.upload_done = complete
        self._plane.write_batch.put(self._transport, data)

    def pause_reading(self) -> None:
        if self._reading and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._reading and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    def end_gathering(self) -> None:
        self._plane.gathering.pop(self, None)
        self._gathered = True
        self._deliver(None)

    def retire(self, now: float) -> None:
        clean = self._complete and self.reusable and self.upload_done and not self._transport.is_closing()
        receiver, self.receiver, self.attempt = self.receiver, None, None
        if not clean or self._plane.stopping:
            self.abort()
            return
        self.resume_reading()
        if not self.private:
            self._plane.pool.release(self, now)
        elif receiver is not None:
            self._plane.pool.release_private(receiver.client, self)

    def drop(self) -> None:
        self.receiver = self.attempt = None
        self.abort()

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def hand_over(self) -> asyncio.Transport:
        self._plane.write_batch.flush()
        self.receiver = self.attempt = self._parser = None
        return self._transport

    def is_stale(self) -> bool:
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

    # --- called by the event loop ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        parser = self._parser
        if self.receiver is None or parser is None:
            self._plane.pool.remove_ended(self, self._plane.clock())  # a response without a request: RFC 9112 §9.2
            self.abort()
            return
        rest: bytes | None = None
        self._head_size += len(data)
        if not self._started and data[0] != _FIRST_BYTE and not is_http(data):
            self._malformed = True
        try:
            if self._partial_head is not None and self._partial_head.refused:
                self._repair(data)
            else:
                parser.feed_data(data)
                if self._framing is None:
                    self._keep_partial_head(data)
        except httptools.HttpParserUpgrade as switch:
            rest = data[switch.args[0] :]
        except httptools.HttpParserError:
            self._repair(data)
        if self._head_size > self._plane.limits.head and not self._complete:
            self._malformed = True  # the size of a head, or of chunk extensions and trailers
        if self._interims and not is_http_after_interim(data):
            self._malformed = True
        self._deliver(rest)

    def eof_received(self) -> None:
        if self.receiver is None:
            self._idle_ended()
        elif self._framing is not None and self._framing.body is Body.EOF and not self._complete:
            self._complete = True
            self.reusable = False
            self._deliver(None)

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None and self.receiver is not None and self._sock is not None:
            self._read_remaining(self._sock)
        self._parser = None  # break the reference cycle, so that no garbage collection is needed
        if self.receiver is None:
            self._idle_ended()
            return
        self.receiver.attempt_failed(self, Failure.TRUNCATED if self._delivered else Failure.RESET)

    def pause_writing(self) -> None:
        self.blocked = True

    def resume_writing(self) -> None:
        self.blocked = False
        if self.receiver is not None:
            self.receiver.upload()

    # --- called by the parser ---

    def on_message_begin(self) -> None:
        self._started = True
        if self._complete:
            self.reusable = False  # unrequested bytes follow the response

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name, name.lower(), value))

    def on_headers_complete(self) -> None:
        parser = self._parser
        if self._complete or self._malformed or parser is None:
            return  # bytes after a malformed head are not part of a response
        status = parser.get_status_code()
        fields, self._fields = self._fields, []
        limits = self._plane.limits
        if self._head_size > limits.head and head_size(fields) > limits.head:
            self._malformed = True
            return
        try:
            framing = check_response(self._method, status, parser.get_http_version(), fields, limits)
        except MalformedError:
            self._malformed = True
            return
        if framing.private:
            self.private = True
        answer = ResponseHead(status, fields, framing)
        if status < 200:
            if status != 101:
                self._in_interim = True
                self._interims.append(answer)
                return
            if not parser.should_upgrade():
                self._malformed = True  # a 101 without a requested protocol (RFC 9110 §15.2.2)
                return
        self._answer, self._framing = answer, framing
        if framing.contradictory or not parser.should_keep_alive():
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
        elif self._framing is not None and not self._complete and not self._malformed:
            self._complete = True
            self._trailers = self._checked_trailers() if self._fields else []

    # --- from the parser to the receiver ---

    def _keep_partial_head(self, data: bytes) -> None:
        """Keep an incomplete head, in case it must be repaired."""
        if self._partial_head is None:
            self._partial_head = PartialHead()
        self._partial_head.raw += data
        self._partial_head.interims += len(self._interims)

    def _repair(self, data: bytes) -> None:
        """Remove the harmless faults of a head that llhttp has refused, and parse it again."""
        partial = self._partial_head = self._partial_head or PartialHead()
        before = len(self._interims)
        partial.interims += before
        head = partial.repair(data, self._method) if self._framing is None else None
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
        if self._framing is None:
            self._partial_head = PartialHead()
            self._partial_head.raw, self._partial_head.interims = head, len(self._interims) - before

    def _read_remaining(self, sock: socket.socket) -> None:
        """Process the bytes that the kernel had received before writing failed.

        If a backend responds and closes without reading the whole request, writing to it fails (RFC 9112 §9.6), and the
        event loop stops reading although the response is in the kernel's buffer. The end of these bytes does not count
        as the end of the response, because after a reset the response may be incomplete.
        """
        for data in received(sock.fileno()):
            if self.receiver is None:
                return
            self.data_received(data)

    def _idle_ended(self) -> None:
        """Remove the connection from the pool. If it was just used, tell the core: the backend may have died."""
        now = self._plane.clock()
        if self._plane.pool.remove_ended(self, now):
            self._plane.balancer.closed_early(self.backend, now)

    def _end_without_body(self) -> None:
        """Replace the parser, because llhttp would wait for the body of a response to HEAD."""
        self._complete = True
        self._parser = httptools.HttpResponseParser(self)

    def _deliver(self, rest: bytes | None) -> None:
        """Pass the collected content to the receiver. `rest` follows a 101 and belongs to the other protocol."""
        receiver = self.receiver
        if receiver is None:
            return
        if self._interims:
            self._deliver_interims(receiver)
        if self._malformed and not self._complete:
            receiver.attempt_failed(self, Failure.BAD_RESPONSE if not self._delivered else Failure.TRUNCATED)
            return
        if self._malformed:
            self.reusable = False
        if self._should_gather():
            return
        answer, self._answer = self._answer, None
        if answer is not None:
            self._delivered = True
            self._plane.gathering.pop(self, None)
            if answer.status == 101:
                receiver.switched(self, answer, rest or b"")
                return
        parts, self._parts = self._parts, []
        if answer is not None or parts or self._complete:
            receiver.received(self, answer, parts, self._trailers if self._complete else None)
        elif self._started and self.attempt is not None:
            self.attempt.exchange.response_begun = True

    def _should_gather(self) -> bool:
        """Return whether the head of a small response should wait for the body (`Limits.gather_answer`)."""
        answer, plane = self._answer, self._plane
        if answer is None or self._complete or self._gathered:
            return False
        if answer.framing.body is not Body.LENGTH or answer.framing.length > plane.limits.buffered:
            return False
        if self not in plane.gathering:
            plane.gathering[self] = plane.clock() + plane.limits.gather_answer
            if self.attempt is not None:
                self.attempt.exchange.response_begun = True
        return True

    def _deliver_interims(self, receiver: ResponseReceiver) -> None:
        interims, self._interims = self._interims, []
        for interim in interims:
            receiver.interim(interim)

    def _checked_trailers(self) -> list[Field]:
        """Return the trailers now, before fields of an unrequested response in the same segment are added to them."""
        trailers, self._fields = self._fields, []
        try:
            return allowed_trailers(trailers, self._plane.limits)
        except MalformedError:
            self.reusable = False
            return []
