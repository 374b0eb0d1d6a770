"""One active check over HTTP: a GET on a connection of its own, and a word for what went wrong."""

from __future__ import annotations

import errno
import json
from types import TracebackType
from typing import Any, Self

import aiohttp

from lb.core.backend import Backend
from lb.core.settings import HealthSettings
from lb.prober import Report
from lb.units import Address

MAX_BODY = 64 * 1024
MAX_NAME = 128
_EXPECTED = 200
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

    def __init__(self, settings: HealthSettings) -> None:
        self._path = settings.path
        self._timeout = aiohttp.ClientTimeout(total=settings.timeout)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, limit=0),
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "reroute-probe"},
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
            return await self._ask(f"http://{Address(backend.host, backend.port)}{self._path}")
        except TimeoutError:
            return Report("timeout")
        except (aiohttp.ClientError, OSError) as error:
            return Report(word(error))

    async def _ask(self, url: str) -> Report:
        async with self._session.get(url, allow_redirects=False) as response:
            name = name_in(await _body(response.content))
            if response.status != _EXPECTED:
                return Report(f"status {response.status}", name)
            return Report(name=name)


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


def name_in(body: bytes) -> str:
    """The `instance` of a JSON health report; empty where there is none."""
    try:
        report: Any = json.loads(body)
    except ValueError:
        return ""
    name = report.get("instance") if isinstance(report, dict) else None
    return name if isinstance(name, str) and name.isprintable() and len(name) <= MAX_NAME else ""
