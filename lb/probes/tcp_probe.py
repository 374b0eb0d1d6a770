"""Active checks for backends that do not speak HTTP about themselves: by connecting, and by a TLS handshake.

The kernel accepts for a process that is paused or hung, so connecting finds dead hosts and closed ports, and nothing
else. A handshake needs the process to run. The bounds say so.
"""

from __future__ import annotations

import asyncio
import ssl
from types import TracebackType
from typing import Self

from ..core.backend import Backend
from ..errors import is_our_own
from .http_probe import failure_name
from .scheduler import Report


class TcpProbe:
    """Probes backends; a context manager only because the other kind of probe is one."""

    def __init__(self, timeout: float, proxy_header: bytes = b"") -> None:
        """`timeout` is seconds; `proxy_header` is the PROXY header that a backend may want to see."""
        self.timeout = timeout
        self._proxy_header = proxy_header

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is kept between two probes."""

    async def __call__(self, backend: Backend) -> Report:
        """Connect and close, within the probe time-out."""
        try:
            async with asyncio.timeout(self.timeout):
                await self._request(backend)
        except TimeoutError:
            return Report("timeout")
        except ssl.SSLError:
            return Report("bad_response")
        except OSError as error:
            return Report(failure_name(error), inconclusive=is_our_own(error))
        return Report()

    async def _request(self, backend: Backend) -> None:
        _, writer = await asyncio.open_connection(backend.host, backend.port)
        writer.write(self._proxy_header)
        await self._after_connect(writer)
        writer.close()

    async def _after_connect(self, writer: asyncio.StreamWriter) -> None:
        """Being connected is enough."""


class TlsProbe(TcpProbe):
    """Asks for nothing but the end of a handshake: whose certificate it is, is for those who send data to know."""

    def __init__(self, timeout: float, proxy_header: bytes = b"") -> None:
        super().__init__(timeout, proxy_header)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE

    async def _after_connect(self, writer: asyncio.StreamWriter) -> None:
        try:
            await writer.start_tls(self._context)
        except BaseException:
            writer.transport.abort()
            raise
