"""Parses a client's bytes into checked requests, in order, until one must be refused."""

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
from .trailers import allowed_trailers

PIPELINED: Final = 4
"""Requests of one connection that may be parsed but not answered, so that the next one can start at once. A parsed
request takes about 2 KiB, seventy times the bytes of the smallest request, so further requests wait as bytes."""
STEP: Final = 256
"""Bytes that are parsed before the parsed requests are counted. They contain at most a dozen requests."""
LONGEST_STEP: Final = 16 * 1024
"""Maximum number of bytes that are parsed at once, because each chunk of a chunked body is an object until the chunks
are joined. It does not apply to a body with a Content-Length."""
MOST_PARTS: Final = 64
"""Maximum number of parts of a body that are kept separate. More are joined, because a bytes object costs 40 bytes."""
FRAMING_EXCESS: Final = 256 * 1024
"""Bytes by which the framing of a chunked body may exceed twice its content; above it: 400. This is Go's rule with 16
times its allowance: 87,000 chunks of one byte are accepted, and any number of chunks of three bytes. Each chunk costs
as much CPU as 1 KiB of content in a single chunk."""
_BLANK_LINE: Final = b"\r\n\r\n"
_SOME_METHOD: Final = re.compile(rb"[\r\n]*[!#$%&'*+.^_`|~0-9A-Za-z-]+(?: |$)")


class RequestReader:
    """llhttp with additional checks. Its methods do not raise: a request that cannot be accepted sets `refusal`, and
    the bytes after it are not parsed."""

    def __init__(self, limits: Limits) -> None:
        self.queue: deque[Request] = deque()
        """Requests whose head is parsed and whose response is not finished."""
        self.incoming: Request | None = None
        """The request whose body is still being received. It is always the last in the queue."""
        self.refusal: MalformedError | None = None
        self.in_head = False
        """Whether a head has begun and is not complete."""
        self.after_upgrade = b""
        """Bytes after a request for an upgrade. They belong to the other protocol if the backend agrees to it. If not,
        they are HTTP."""
        self._limits = limits
        self.unparsed = b""
        """Bytes that will be parsed, from `_unparsed_at` on, when the queue is empty."""
        self._unparsed_at = 0
        self._excess = 0
        """Bytes by which the framing of the current body exceeds twice its content (`FRAMING_EXCESS`)."""
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._target = b""
        self._fields: list[Field] = []
        self._segments: list[bytes] = []
        """The segments that contain the current head."""
        self._head_size = 0
        """Upper bound of the size of that head: the size of its segments. Within a body: the bytes after its last byte
        of content, because chunk extensions and trailers are limited like a head."""

    @property
    def awaiting_upgrade(self) -> bool:
        """Return whether parsing waits for the backend's decision on an upgrade."""
        return self._parser is None

    def feed(self, data: bytes) -> None:
        """Parse a segment until the queue is full."""
        if self.refusal is not None:
            return
        if self._parser is None:
            self.after_upgrade += data
        elif self.unparsed:
            self.unparsed += data
        elif len(data) <= STEP:
            self._feed(self._parser, data)
        else:
            self._feed_in_steps(data, 0)

    def parse_more(self) -> None:
        """Parse waiting bytes until the queue is full again. Called when it is empty."""
        unparsed, at = self.unparsed, self._unparsed_at
        self.unparsed, self._unparsed_at = b"", 0
        self._feed_in_steps(unparsed, at)

    def _feed_in_steps(self, data: bytes, at: int) -> None:
        """Parse `data` from `at` on until the queue is full."""
        end = len(data)
        while at < end and self.refusal is None:
            parser = self._parser
            if parser is None:
                self.after_upgrade += data[at:]
                return
            if self.incoming is None and len(self.queue) >= PIPELINED:
                self.unparsed, self._unparsed_at = data, at
                return
            upto = self._step(data, at)
            self._feed(parser, data if at == 0 and upto == end else data[at:upto])
            at = upto

    def _step(self, data: bytes, at: int) -> int:
        """Return where the next step ends: after a head or body, if many bytes follow."""
        incoming, end = self.incoming, len(data)
        if incoming is not None and incoming.framing.body is Body.LENGTH:
            return min(end, at + incoming.framing.length - incoming.received)
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
        if body is not None and body.framing.body is Body.CHUNKED:
            self._check_chunk_overhead(body, len(data), body.received - before if body is known else -1)
        if self.in_head:
            self._check_unfinished_head()
            return
        self._segments.clear()
        if body is None:
            self._head_size = 0
        elif self._head_size > self._limits.head:
            self._refuse(MalformedError(431, "trailers"))

    def _check_chunk_overhead(self, body: Request, size: int, content: int) -> None:
        """Join small parts, and refuse a chunked body that consists mostly of framing.

        Of the `size` bytes received, `content` bytes are content of the body. `content` is -1 if that is not known,
        because the body has just begun.
        """
        if content < 0:
            self._excess, content = 0, size // 3
        if len(body.parts) > MOST_PARTS:
            body.join()
        self._excess = max(0, self._excess + size - 3 * content)
        if self._excess > FRAMING_EXCESS:
            self._refuse(MalformedError(400, "chunks"))

    def upgrade_refused(self) -> None:
        """Parse the bytes after a request for an upgrade as HTTP, because the backend has not agreed to the upgrade."""
        after_upgrade, self.after_upgrade = self.after_upgrade, b""
        self._parser = httptools.HttpRequestParser(self)
        if after_upgrade:
            self.feed(after_upgrade)

    def close(self) -> None:
        """Break the reference cycle with the parser, so that the garbage collector is not needed."""
        self._parser = None
        self.unparsed = b""

    # --- called by the parser ---

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
                request.trailers = allowed_trailers(trailers, self._limits)
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
                self.after_upgrade = data[switch.args[0] :]
        except httptools.HttpParserInvalidMethodError:
            self._refuse(_bad_method(self._segments))
        except httptools.HttpParserError as error:
            last = self.queue[-1] if self.queue else None
            if last is None or last.keep_alive or not last.complete:
                self._refuse(parse_error(error))  # bytes after the last request are ignored

    def _checked(self, parser: httptools.HttpRequestParser, target: bytes, fields: list[Field]) -> Request:
        limits = self._limits
        if self._head_size > limits.head and head_size(fields) + len(target) > limits.head:
            raise MalformedError(431, "head")
        method, version = parser.get_method().decode(), parser.get_http_version()
        framing = check_request(method, target, version, fields, limits, self._segments)
        switches = parser.should_upgrade()
        if (switches and (framing.length or framing.body is Body.CHUNKED)) or (framing.upgrade and not switches):
            raise MalformedError(400, "upgrade")  # llhttp would treat the body as bytes of the other protocol
        return Request(method, version, fields, framing, keep_alive=parser.should_keep_alive())

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
    """Return the refusal of an unknown method: 501 (RFC 9110 §9.1), or 400 if it is not a token."""
    if _SOME_METHOD.match(b"".join(segments)):
        return MalformedError(501, "method")
    return MalformedError(400, "syntax")
