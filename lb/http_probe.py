"""One active check over HTTP: a GET on a connection of its own, and a word for what went wrong."""

from __future__ import annotations

import errno
import json
from types import TracebackType
from typing import Any, Self

import aiohttp

from lb.core.backend import Backend
from lb.core.load import LoadReport, report_in_health
from lb.core.settings import HealthSettings
from lb.errors import is_our_own
from lb.prober import Report
from lb.units import Address

MAX_BODY = 64 * 1024
MAX_NAME = 128
_WORDS = {
    errno.ECONNREFUSED: "refused",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
}


class HttpProbe:
    """Probes backends; an async context manager that owns its session.

    Each probe opens a connection. A pooled one would pass while new connections vanish in a black hole, which is what
    `docker kill` leaves behind.
    """

    def __init__(self, settings: HealthSettings, greeting: bytes = b"") -> None:
        """`greeting` is the PROXY header of a connection that is nobody's, where backends want one."""
        self._greeting = greeting
        self.use(settings)

    def use(self, settings: HealthSettings) -> None:
        """Check by other settings from the next probe on."""
        self._settings = settings
        self._headers = {"User-Agent": "reroute-probe", **settings.headers}
        self._timeout = aiohttp.ClientTimeout(total=settings.timeout)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=_Greeting(self._greeting),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def __call__(self, backend: Backend) -> Report:
        """Probe once, within the probe time-out, connecting included."""
        try:
            return await self._ask(f"http://{Address(backend.host, backend.port)}{self._settings.path}")
        except TimeoutError:
            return Report("timeout")
        except (aiohttp.ClientError, OSError) as error:
            return Report(word(error), inconclusive=isinstance(error, OSError) and is_our_own(error))

    async def _ask(self, url: str) -> Report:
        options: dict[str, Any] = {"headers": self._headers, "timeout": self._timeout, "allow_redirects": False}
        async with self._session.get(url, **options) as response:
            body = await _body(response.content)
            name, load = said_in(body)
            return Report(self._failure(response.status, body), name, load)

    def _failure(self, status: int, body: bytes) -> str:
        low, high = self._settings.expect_status
        if not low <= status <= high:
            return f"status {status}"
        return "" if self._settings.expect_body.encode() in body else "unexpected body"


class _Greeting(aiohttp.TCPConnector):
    """Says something on each new connection before the request does."""

    def __init__(self, greeting: bytes) -> None:
        super().__init__(force_close=True, limit=0)
        self._greeting = greeting

    async def connect(self, *arguments: Any, **options: Any) -> aiohttp.connector.Connection:
        """A new connection; none is ever used twice."""
        connection = await super().connect(*arguments, **options)
        if self._greeting and connection.transport is not None:
            connection.transport.write(self._greeting)
        return connection


async def _body(content: aiohttp.StreamReader) -> bytes:
    """All of it up to `MAX_BODY`: a backend that stalls in the middle of its report has not passed."""
    body = b""
    while len(body) < MAX_BODY and (piece := await content.readany()):
        body += piece
    return body


def word(error: Exception) -> str:
    """A failed probe in one word."""
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return "reset"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "unresolved"
    if isinstance(error, OSError):
        return _WORDS.get(error.errno or 0, "unreachable")
    return "bad_response"


def said_in(body: bytes) -> tuple[str, LoadReport | None]:
    """The `instance` and the `load` of a JSON health report; empty and None where there is none."""
    try:
        report: Any = json.loads(body)
    except ValueError:
        return "", None
    if not isinstance(report, dict):
        return "", None
    name = report.get("instance")
    fit = name if isinstance(name, str) and name.isprintable() and len(name) <= MAX_NAME else ""
    return fit, report_in_health(report.get("load"))
