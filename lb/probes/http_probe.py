"""Active check by HTTP: a GET on a new connection, and a name for the failure.

It implements a protocol of its own because a check with aiohttp's client needs several times the CPU, and checks are
most of the work of an idle balancer.
"""

from __future__ import annotations

import asyncio
import errno
import json
from typing import Any, cast

import httptools
from yarl import URL

from ..config.units import Address
from ..core.backend import Backend
from ..core.load_weights import LoadReport, report_in_health
from ..core.settings import HealthSettings
from .scheduler import Report

MAX_BODY = 64 * 1024
MAX_NAME = 128
_FRAMING = (b"content-length", b"transfer-encoding")


class HttpProbe:
    """Sends a GET and checks status and body.

    Each probe opens a new connection. A pooled connection would pass while packets for new ones are dropped, as after
    `docker kill`.
    """

    def __init__(self, settings: HealthSettings, proxy_header: bytes = b"") -> None:
        """`proxy_header` is sent before the request, for backends that expect the PROXY protocol."""
        self._proxy_header = proxy_header
        self.use(settings)

    def use(self, settings: HealthSettings) -> None:
        """Apply new settings from the next probe on."""
        self._settings = settings
        self._target = URL(f"http://backend{settings.path}").raw_path_qs
        self._fields = {"User-Agent": "reroute-probe", "Accept": "*/*", **settings.headers}
        self._names_host = any(name.lower() == "host" for name in settings.headers)

    async def __call__(self, backend: Backend) -> Report:
        """Probe once. Raise OSError, or HttpParserError if the response is not HTTP."""
        status, body = await self._request(backend)
        failure = self._failure(status, body)
        name, load = parse_report(body)
        return Report(failure, bool(failure), name, load)

    async def _request(self, backend: Backend) -> tuple[int, bytes]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[int, bytes]] = loop.create_future()
        request = self._proxy_header + self._request_bytes(backend)
        transport, _ = await loop.create_connection(lambda: _ProbeProtocol(request, answer), backend.host, backend.port)
        try:
            return await answer
        finally:
            transport.abort()

    def _request_bytes(self, backend: Backend) -> bytes:
        host = {} if self._names_host else {"Host": str(Address(backend.host, backend.port))}
        fields = "".join(f"{name}: {value}\r\n" for name, value in {**host, **self._fields}.items())
        return f"GET {self._target} HTTP/1.1\r\n{fields}\r\n".encode()

    def _failure(self, status: int, body: bytes) -> str:
        low, high = self._settings.expect_status
        if not low <= status <= high:
            return f"status {status}"
        return "" if self._settings.expect_body.encode() in body else "unexpected body"


class _ProbeProtocol(asyncio.Protocol):
    """Sends the request, and sets the future to the status and the body (up to `MAX_BODY`) or to an error.

    It waits for the complete body, because a backend that stalls within its report must not pass.
    """

    def __init__(self, request: bytes, answer: asyncio.Future[tuple[int, bytes]]) -> None:
        self._request = request
        self._answer = answer
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._status = 0
        self._framed = False
        self._body = b""

    # --- called by the event loop ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._parser is None or self._answer.done():
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._end()
        except httptools.HttpParserError as error:
            self._fail(error)

    def connection_lost(self, error: Exception | None) -> None:
        self._parser = None  # break the reference cycle
        if self._status and not self._framed:
            self._end()
        else:
            self._fail(error or ConnectionResetError(errno.ECONNRESET, "closed before the answer was complete"))

    # --- called by the parser ---

    def on_header(self, name: bytes, value: bytes) -> None:
        self._framed = self._framed or name.lower() in _FRAMING

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code() if self._parser is not None else 0
        self._status = status if status >= 200 else 0

    def on_body(self, part: bytes) -> None:
        self._body += part
        if len(self._body) >= MAX_BODY:
            self._end()

    def on_message_complete(self) -> None:
        if self._status:
            self._end()
        self._framed = False  # an interim response is followed by the final one

    def _end(self) -> None:
        if not self._answer.done():
            self._answer.set_result((self._status, self._body))

    def _fail(self, error: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(error)


def parse_report(body: bytes) -> tuple[str, LoadReport | None]:
    """Return `instance` and `load` of a JSON health report, or an empty string and None if they are missing."""
    try:
        report: Any = json.loads(body)
    except ValueError:
        return "", None
    if not isinstance(report, dict):
        return "", None
    name = report.get("instance")
    fit = name if isinstance(name, str) and name.isprintable() and len(name) <= MAX_NAME else ""
    return fit, report_in_health(report.get("load"))
