"""The same bytes for several HTTP parsers: the balancer without sockets, and servers and clients to compare with."""

from __future__ import annotations

import asyncio
import http.client
import io
import logging
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import h11
import httptools
import uvicorn
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParserPy, HttpResponseParser, HttpResponseParserPy
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from lb.core.backend import Backend
from lb.core.balancer import Balancer
from lb.core.settings import RetrySettings, Settings
from lb.proxy.limits import Limits
from lb.proxy.request_reader import RequestReader
from lb.proxy.request_record import RequestRecord
from lb.proxy.server import ProxyServer
from lb.proxy.upstream import UpstreamConnection
from tests.support.wires import Wire, turns

LIMITS = Limits(gather=0.0, gather_answer=0.0, linger=0.0)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

for _noisy in ("uvicorn.error", "aiohttp.server"):
    logging.getLogger(_noisy).setLevel(logging.CRITICAL)


class Read(NamedTuple):
    """One request as somebody has read it."""

    method: str
    target: bytes
    body: bytes


class Said(NamedTuple):
    """One response as a client has read it."""

    status: int
    body: bytes
    complete: bool


# --- the balancer ---


class _Requests:
    """llhttp, plain: how many requests of a stream are complete."""

    def __init__(self) -> None:
        self.complete = 0
        self._parser = httptools.HttpRequestParser(self)

    def on_message_complete(self) -> None:
        self.complete += 1

    def feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._parser = httptools.HttpRequestParser(self)
        except httptools.HttpParserError:
            pass


@dataclass
class Passage:
    """What the balancer made of it."""

    upstream: list[list[bytes]]
    """What went to a backend, a connection each, write by write."""
    answered: bytes
    """What went to the client."""
    ended: bool
    """Whether the client's connection was closed cleanly; an open one will be, some time, and a cut one was reset."""
    records: list[RequestRecord]


async def pass_through(
    segments: Sequence[bytes], answers: Sequence[Sequence[bytes]] = (), *, backend_ends: bool = False
) -> Passage:
    """Feed `segments` to a client connection and let the backend answer each complete request.

    The n-th request gets the n-th of `answers`, in those segments; the others get `OK`. With `backend_ends`, a
    backend connection ends after an answer that was given.
    """
    records: list[RequestRecord] = []
    wires: list[Wire] = []
    left = list(answers)
    loop = asyncio.get_running_loop()
    settings = Settings(retry=RetrySettings(hedge=False), decisions=0)
    balancer = Balancer(settings, random.Random(1), lambda event: server.on_event(event))  # noqa: PLW0108 (made below)
    server = ProxyServer(balancer, LIMITS, on_done=records.append, loop=loop)
    balancer.probed(balancer.insert("api-1", "127.0.0.1", 1, loop.time()), "", 0.001, loop.time())

    async def dial(backend: Backend, plane: Any) -> UpstreamConnection:
        connection = UpstreamConnection(plane, backend)
        wires.append(_answering(connection, left, backend_ends))
        return connection

    server._plane.dial = dial
    client = Wire(server())
    for segment in segments:
        client.feed(segment)
        await turns()
    await turns(30)
    passage = Passage([], client.written, client.ended == "close" or client.half_closed, records)
    client.close()
    await turns()
    await server.shutdown(0)
    passage.upstream = [wire.writes for wire in wires]
    return passage


def _answering(protocol: asyncio.Protocol, left: list[Sequence[bytes]], ends: bool) -> Wire:
    requests = _Requests()

    def written(wire: Wire) -> None:
        before = requests.complete
        requests.feed(wire.writes[-1])
        for _ in range(requests.complete - before):
            given = bool(left)
            asyncio.get_running_loop().create_task(_answer(wire, left.pop(0) if left else [OK], ends and given))

    return Wire(protocol, written)


async def _answer(wire: Wire, segments: Sequence[bytes], ends: bool) -> None:
    asked = len(wire.writes)
    for segment in segments:
        if len(wire.writes) > asked:
            break  # HTTP/1.1 cannot tell surplus that comes behind the next request from the answer to that
        if segment:
            wire.feed(segment)
        await asyncio.sleep(0)
    if ends:
        await turns(3)  # a request that is already on its way is one that the backend still reads
        wire.end()


def read_by_us(segments: Sequence[bytes]) -> list[Read]:
    """The complete requests that the balancer's reader accepts, each upgrade declined."""
    reader, found = RequestReader(LIMITS), []
    for segment in segments:
        reader.feed(segment)
        while reader.queue and reader.queue[0].complete:
            request = reader.queue.popleft()
            found.append(Read(request.method, request.framing.target, b"".join(request.parts)))
            if not request.keep_alive:
                return found
            if reader.awaiting_upgrade and not reader.queue:
                reader.upgrade_refused()
    return found


# --- servers ---


async def read_by_uvicorn(protocol: type[H11Protocol | HttpToolsProtocol], writes: list[bytes]) -> list[Read]:
    """What an application under uvicorn is given."""
    found: list[Read] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            more = message["more_body"]
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        found.append(Read(scope["method"], scope["raw_path"] + query, body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else b"ok"})

    config = uvicorn.Config(app, http=protocol, ws="none", lifespan="off", log_config=None)
    config.load()
    wire = Wire(protocol(config=config, server_state=ServerState(), app_state={}))
    await _fed(wire, writes)
    return found


async def _fed(wire: Wire, writes: list[bytes]) -> None:
    """Write by write, as a backend gets them: a request follows the answer to the one before."""
    for data in writes:
        wire.feed(data)
        await turns(30)
    wire.close()
    await turns()


async def read_by_aiohttp(writes: list[bytes]) -> list[Read]:
    """What a handler under aiohttp's server (its C parser) is given."""
    found: list[Read] = []

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        found.append(Read(request.method, request.raw_path.encode("utf-8", "surrogateescape"), body))
        return web.Response(text="ok")

    server = web.Server(handler, auto_decompress=False)  # what the framing says, not what is in it
    wire = Wire(server())
    await _fed(wire, writes)
    await server.shutdown(0)
    return found


async def read_by_aiohttp_in_python(writes: list[bytes]) -> list[Read]:
    """The same of aiohttp's own parser, which it uses where its extension is missing."""
    data = b"".join(writes)
    loop, found = asyncio.get_running_loop(), []
    upgraded = True
    while data and upgraded:
        parser = HttpRequestParserPy(BaseProtocol(loop), loop, 2**16, auto_decompress=False)
        try:
            messages, upgraded, data = parser.feed_data(data)
        except Exception:  # noqa: BLE001 (whatever it refuses with: nothing that follows was read)
            break
        for message, payload in messages:
            if payload.is_eof() and payload.exception() is None:
                body = await payload.read() if hasattr(payload, "read") else b""
                found.append(Read(message.method, message.path.encode("utf-8", "surrogateescape"), body))
    return found


# --- clients ---
# Each takes the bytes, the method of all requests, and whether the connection ended cleanly; each finds the final
# responses.


def said_to_h11(data: bytes, method: str, ended: bool) -> list[Said]:
    """h11 as a client; one connection object a response, since a client sends its requests one by one."""
    found: list[Said] = []
    while data:
        connection = h11.Connection(h11.CLIENT)
        connection.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
        connection.send(h11.EndOfMessage())
        connection.receive_data(data)
        if ended:
            connection.receive_data(b"")
        said, data = _one_by_h11(connection)
        if said is None:
            break
        found.append(said)
        if not said.complete:
            break
    return found


def _one_by_h11(connection: h11.Connection) -> tuple[Said | None, bytes]:
    status, body = 0, b""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            return Said(status, body, False), b""
        if isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return Said(status, body, True), connection.trailing_data[0]
        elif not isinstance(event, h11.InformationalResponse):
            return (Said(status, body, False) if status else None), b""


class _Answers:
    def __init__(self) -> None:
        self.found: list[Said] = []
        self.status = 0
        self.body = b""
        self.framed = False
        self.parser = httptools.HttpResponseParser(self)

    def on_message_begin(self) -> None:
        self.framed = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.framed |= name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        self.status = self.parser.get_status_code()

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        if self.status >= 200:
            self.found.append(Said(self.status, self.body, True))
        self.status, self.body = 0, b""


def said_to_llhttp(data: bytes, method: str, ended: bool) -> list[Said]:
    """llhttp, which cannot be told of HEAD; the end of a connection completes a message that lasts until it."""
    if method == "HEAD":
        return said_to_h11(data, method, ended)
    answers = _Answers()
    try:
        answers.parser.feed_data(data)
    except httptools.HttpParserError:
        return [*answers.found, Said(answers.status, answers.body, False)]
    if answers.status >= 200:
        answers.found.append(Said(answers.status, answers.body, ended and not answers.framed))
    return answers.found


class _Socket:
    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file

    def makefile(self, _: str) -> io.BufferedReader:
        return self._file


def said_to_http_client(data: bytes, method: str, ended: bool) -> list[Said]:
    """The standard library's client. It takes any EOF for the end, so it is asked only where there is one."""
    file = io.BufferedReader(io.BytesIO(data))  # type: ignore[arg-type]
    found: list[Said] = []
    while file.peek(1):
        response = http.client.HTTPResponse(_Socket(file), method=method)  # type: ignore[arg-type]
        response.fp = file
        try:
            response.begin()
        except (http.client.HTTPException, OSError, ValueError):
            found.append(Said(0, b"", False))
            break
        until_eof = response.length is None and not response.chunked
        status = response.status
        try:
            body, complete = b"" if response.isclosed() else _drain(response), True
        except http.client.IncompleteRead as short:
            body, complete = short.partial, False
        if status >= 200:  # it knows of no 1xx but 100
            found.append(Said(status, body, complete and (ended or not until_eof)))
        if until_eof or not complete:
            break
    return found


def _drain(response: http.client.HTTPResponse) -> bytes:
    response._close_conn = lambda: None  # type: ignore[attr-defined]  # keep the stream for the next response
    return response.read()


async def said_to_aiohttp(data: bytes, method: str, ended: bool, *, pure: bool = False) -> list[Said]:
    """aiohttp's client parsers, C or Python. The latter cannot read on behind an answer to HEAD without a length."""
    if pure and method == "HEAD":
        return said_to_h11(data, method, ended)
    loop = asyncio.get_running_loop()
    made = HttpResponseParserPy if pure else HttpResponseParser
    parser = made(
        BaseProtocol(loop),
        loop,
        2**16,
        max_line_size=2**16,
        max_field_size=2**16,
        response_with_body=method != "HEAD",
        read_until_eof=True,
        auto_decompress=False,
    )
    try:
        messages, _, _ = parser.feed_data(data)
    except Exception:  # noqa: BLE001 (whatever a parser refuses with)
        return [Said(0, b"", False)]
    if ended:
        with suppress(Exception):  # an answer that is not complete
            parser.feed_eof()
    found = []
    for message, payload in messages:
        if message.code < 200:
            continue
        complete = payload.is_eof() and payload.exception() is None
        body = b"".join(getattr(payload, "_buffer", ())) if payload.exception() is None else b""
        found.append(Said(message.code, body, complete))
    return found
