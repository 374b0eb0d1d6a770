"""Bytes from a client become checked requests, in order, until one has to be refused."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from typing import Final

import httptools

from lb.core.headers import Field
from lb.proxy.framing import Body, MalformedError, check_request, head_size, parse_error
from lb.proxy.limits import Limits
from lb.proxy.request import Request
from lb.proxy.trailers import passed

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
            return
        self._segments.append(data)
        self._head_size += len(data)
        self._parse(self._parser, data)
        if self.in_head:
            self._check_unfinished_head()
            return
        self._segments.clear()
        if self.incoming is None:
            self._head_size = 0
        elif self._head_size > self._limits.head:
            self._refuse(MalformedError(431, "trailers"))

    def switch_refused(self) -> None:
        """The upgrade was not granted: what came after its request is ordinary HTTP again."""
        early, self.early = self.early, b""
        self._parser = httptools.HttpRequestParser(self)
        if early:
            self.feed(early)

    def close(self) -> None:
        """The parser refers to us: break the cycle rather than wait for the collector."""
        self._parser = None

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
