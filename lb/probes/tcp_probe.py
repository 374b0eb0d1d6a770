"""Active checks for backends without an HTTP health check: a TCP connection, and a TLS handshake.

The kernel accepts connections for a process that is paused or hung, so connecting detects only dead hosts and closed
ports. A handshake also needs the process to run. The bounds (`lb.core.bounds`) take this into account.
"""

from __future__ import annotations

import asyncio
import ssl

from ..core.backend import Backend
from .scheduler import Report


class TcpProbe:
    """Passes if a connection can be opened."""

    def __init__(self, proxy_header: bytes = b"") -> None:
        """`proxy_header` is sent first, for backends that expect the PROXY protocol."""
        self._proxy_header = proxy_header

    async def __call__(self, backend: Backend) -> Report:
        """Connect and close. Raise OSError."""
        _, writer = await asyncio.open_connection(backend.host, backend.port)
        writer.write(self._proxy_header)
        await self._after_connect(writer)
        writer.close()
        return Report()

    async def _after_connect(self, writer: asyncio.StreamWriter) -> None:
        """Do nothing, because a connection is enough."""


class TlsProbe(TcpProbe):
    """Passes if a TLS handshake completes. It does not verify the certificate, because it sends no data."""

    def __init__(self, proxy_header: bytes = b"") -> None:
        super().__init__(proxy_header)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE

    async def _after_connect(self, writer: asyncio.StreamWriter) -> None:
        try:
            await writer.start_tls(self._context)
        except BaseException:
            writer.transport.abort()
            raise
