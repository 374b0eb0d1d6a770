"""The configured active check. Its settings may change while the balancer runs."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Awaitable

import httptools

from ..core.backend import Backend
from ..core.settings import HealthSettings
from ..errors import is_our_own
from .http_probe import HttpProbe
from .scheduler import Report
from .tcp_probe import TcpProbe, TlsProbe

_FAILURE_NAMES = {
    errno.ECONNREFUSED: "refused",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
}


class ActiveCheck:
    """Probes backends by an HTTP request, a TCP connection or a TLS handshake."""

    def __init__(self, settings: HealthSettings, proxy_header: bytes = b"") -> None:
        """`proxy_header` is sent before each check, for backends that expect the PROXY protocol; empty for none."""
        self._http = HttpProbe(settings, proxy_header)
        self._tcp = TcpProbe(proxy_header)
        self._tls = TlsProbe(proxy_header)
        self._settings = settings

    def use(self, settings: HealthSettings) -> None:
        """Apply new settings from the next probe on."""
        self._http.use(settings)
        self._settings = settings

    async def __call__(self, backend: Backend) -> Report:
        """Probe the backend once, within the probe time-out, which includes connecting."""
        return await report_of(self._probe(backend), self._settings.timeout)

    def _probe(self, backend: Backend) -> Awaitable[Report]:
        match self._settings.kind:
            case "tcp":
                return self._tcp(backend)
            case "tls":
                return self._tls(backend)
            case _:
                return self._http(backend)


async def report_of(probe: Awaitable[Report], limit_s: float) -> Report:
    """Wait up to `limit_s` seconds for the report of a probe. Errors of the connection become a failed report."""
    try:
        async with asyncio.timeout(limit_s):
            return await probe
    except TimeoutError:
        return Report("timeout")
    except (ssl.SSLError, httptools.HttpParserError):
        return Report("bad_response")
    except OSError as error:
        return Report(failure_name(error), inconclusive=is_our_own(error))


def failure_name(error: OSError) -> str:
    """Return the name of a connection failure, in one word."""
    if isinstance(error, socket.gaierror):
        return "unresolved"
    return _FAILURE_NAMES.get(error.errno or 0, "unreachable")
