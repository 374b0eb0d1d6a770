"""Bytes from a client become checked requests, in order, until one has to be refused."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from typing import Final

import httptools

from ..core.headers import Field
from .limits import Limits
from .request import Request
from .request_framing import Body, MalformedError, check_request, head_size, parse_error
from .trailers import passed

PIPELINED: Final = 4
"""Requests of one connection that are parsed and not answered: the first and a few behind it, which start at once when
it is done. A parsed request takes some 2 KiB, seventy times the smallest one's bytes; so the others wait as bytes."""
STEP: Final = 256
"""Bytes that are parsed without a look at how many requests they hold: a dozen of the smallest at most."""
LONGEST_STEP: Final = 16 * 1024
"""Bytes that are parsed in one go unless a Content-Length says what they are: each chunk of a chunked body is an object
until they are joined."""
MOST_PARTS: Final = 64
"""Pieces of a body that are kept apart; more are joined, as a piece of a few bytes takes 40 more."""
FRAMING_EXCESS: Final = 256 * 1024
"""By how much the framing of a chunked body may exceed twice its content; 400 beyond. Go's rule, with 16 times its
allowance: 87,000 chunks of one byte pass, and any number of three bytes. Each costs what 1 KiB in one chunk does."""
_BLANK_LINE: Final = b"\r\n\r\n"
_SOME_METHOD: Final = re.compile(rb"[\r\n]*[!#$%&'*+.^_`|~0-9A-Za-z-]+(?: |$)")


class RequestReader:
    """llhttp with our checks around it. It never raises: what cannot be accepted becomes `refusal`, and nothing that
    follows is read."""

    def __init__(self, limits: Limits) -> None:
        self.queue: deque[Request] = deque()
        """Requests whose head is read and whose answer is not finished."""
        self.incoming: Request | None = None
        """The request whose body is still coming; always the last of the queue."""
        self.refusal: MalformedError | None = None
        self.in_head = False
        """A head has begun and not ended."""
        self.early = b""
        """What came after a request for an upgrade: the other protocol's if it is granted, the next request if not."""
        self._limits = limits
        self.held = b""
        """Not parsed yet, from `_held_at` on: the turn of these bytes comes when the queue is empty."""
        self._held_at = 0
        self._excess = 0
        """Of the body that is coming: `FRAMING_EXCESS`."""
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._target = b""
        self._fields: list[Field] = []
        self._segments: list[bytes] = []
        """Those that hold the head under way."""
        self._head_size = 0
        """An upper limit for the size of that head: what else is in its segments counts too. Inside a body, what has
        come since its last byte: chunk extensions and trailers must end as a head must."""

    @property
    def awaits_switch(self) -> bool:
        """An upgrade was asked for: nothing is parsed until the backend has agreed to it or not."""
        return self._parser is None

    def feed(self, data: bytes) -> None:
        """One segment has come."""
        if self.refusal is not None:
            return
        if self._parser is None:
            self.early += data
        elif self.held:
            self.held += data
        elif len(data) <= STEP:
            self._feed(self._parser, data)
        else:
            self._feed_in_steps(data, 0)

    def go_on(self) -> None:
        """The queue is empty: parse what was held back, until it is full again."""
        held, at = self.held, self._held_at
        self.held, self._held_at = b"", 0
        self._feed_in_steps(held, at)

    def _feed_in_steps(self, data: bytes, at: int) -> None:
        """Feed `data` from `at` on, as far as the queue has room."""
        end = len(data)
        while at < end and self.refusal is None:
            parser = self._parser
            if parser is None:
                self.early += data[at:]
                return
            if self.incoming is None and len(self.queue) >= PIPELINED:
                self.held, self._held_at = data, at
                return
            upto = self._step(data, at)
            self._feed(parser, data if at == 0 and upto == end else data[at:upto])
            at = upto

    def _step(self, data: bytes, at: int) -> int:
        """Up to where to feed next: behind the end of a head or of a body, if much follows."""
        incoming, end = self.incoming, len(data)
        if incoming is not None and incoming.shape.body is Body.LENGTH:
            return min(end, at + incoming.shape.length - incoming.received)
        end = min(end, at + LONGEST_STEP)
        blank = data.find(_BLANK_LINE, at + STEP, end) if end - at > STEP else -1
        return blank + len(_BLANK_LINE) if 0 <= blank < end - STEP else end

    def _feed(self, parser: httptools.HttpRequestParser, data: bytes) -> None:
        known = self.incoming
        before = known.received if known is not None else 0
        self._segments.append(data)
        self._head_size += len(data)
        self._parse(parser, data)
        body = self.incoming
        if body is not None and body.shape.body is Body.CHUNKED:
            self._weigh_chunks(body, len(data), body.received - before if body is known else -1)
        if self.in_head:
            self._check_unfinished_head()
            return
        self._segments.clear()
        if body is None:
            self._head_size = 0
        elif self._head_size > self._limits.head:
            self._refuse(MalformedError(431, "trailers"))

    def _weigh_chunks(self, body: Request, size: int, content: int) -> None:
        """Join small pieces, and refuse a body that is hardly more than framing. Of `size` bytes that have come,
        `content` are its own; -1 says that it has just begun."""
        if content < 0:
            self._excess, content = 0, size // 3
        if len(body.parts) > MOST_PARTS:
            body.join()
        self._excess = max(0, self._excess + size - 3 * content)
        if self._excess > FRAMING_EXCESS:
            self._refuse(MalformedError(400, "chunks"))

    def switch_refused(self) -> None:
        """The upgrade was not granted: what came after its request is ordinary HTTP again."""
        early, self.early = self.early, b""
        self._parser = httptools.HttpRequestParser(self)
        if early:
            self.feed(early)

    def close(self) -> None:
        """The parser refers to us: break the cycle rather than wait for the collector."""
        self._parser = None
        self.held = b""

    # --- the parser's ---

    def on_message_begin(self) -> None:
        self.in_head = True

    def on_url(self, part: bytes) -> None:
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name, name.lower(), value))

    def on_headers_complete(self) -> None:
        if self.refusal is not None or self._parser is None:
            return
        target, self._target = self._target, b""
        fields, self._fields = self._fields, []
        self.in_head = False
        try:
            request = self._checked(self._parser, target, fields)
        except MalformedError as refusal:
            self.refusal = refusal
            return
        self._head_size = 0
        self.queue.append(request)
        self.incoming = None if request.complete else request

    def on_body(self, part: bytes) -> None:
        request = self.incoming
        if request is None or self.refusal is not None:
            return
        if request.received + len(part) > self._limits.body:
            self.refusal = MalformedError(413, "body")
            return
        self._head_size = 0
        request.add(part)

    def on_message_complete(self) -> None:
        request = self.incoming
        if request is None or self.refusal is not None:
            return
        if self._fields:
            trailers, self._fields = self._fields, []
            try:
                request.trailers = passed(trailers, self._limits)
            except MalformedError as refusal:
                self.refusal = refusal
                return
        self.incoming = None
        request.complete = True

    # --- the checks ---

    def _parse(self, parser: httptools.HttpRequestParser, data: bytes) -> None:
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade as switch:
            if self.refusal is None:
                self._parser = None
                self.early = data[switch.args[0] :]
        except httptools.HttpParserInvalidMethodError:
            self._refuse(_bad_method(self._segments))
        except httptools.HttpParserError as error:
            last = self.queue[-1] if self.queue else None
            if last is None or last.keep_alive or not last.complete:
                self._refuse(parse_error(error))  # else these are bytes after the last request, which nobody reads

    def _checked(self, parser: httptools.HttpRequestParser, target: bytes, fields: list[Field]) -> Request:
        limits = self._limits
        if self._head_size > limits.head and head_size(fields) + len(target) > limits.head:
            raise MalformedError(431, "head")
        method, version = parser.get_method().decode(), parser.get_http_version()
        shape = check_request(method, target, version, fields, limits, self._segments)
        switches = parser.should_upgrade()
        if (switches and (shape.length or shape.body is Body.CHUNKED)) or (shape.upgrade and not switches):
            raise MalformedError(400, "upgrade")  # llhttp would give the body to the other protocol
        return Request(method, version, fields, shape, keep_alive=parser.should_keep_alive())

    def _check_unfinished_head(self) -> None:
        limits = self._limits
        if len(self._target) > limits.target:
            self._refuse(MalformedError(414, "target"))
        elif len(self._fields) > limits.fields:
            self._refuse(MalformedError(431, "fields"))
        elif self._head_size > limits.head:
            self._refuse(MalformedError(431, "head"))

    def _refuse(self, refusal: MalformedError) -> None:
        self.refusal = self.refusal or refusal


def _bad_method(segments: Sequence[bytes]) -> MalformedError:
    """An unknown method is 501 (RFC 9110 §9.1); what is not even a token is no request."""
    if _SOME_METHOD.match(b"".join(segments)):
        return MalformedError(501, "method")
    return MalformedError(400, "syntax")
