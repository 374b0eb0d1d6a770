"""The configured active check. Its settings may change while the balancer runs."""

from __future__ import annotations

from ..core.backend import Backend
from ..core.settings import HealthSettings
from .http_probe import HttpProbe
from .scheduler import Report
from .tcp_probe import TcpProbe, TlsProbe


class ActiveCheck:
    """Probes backends by an HTTP request, a TCP connection or a TLS handshake."""

    def __init__(self, settings: HealthSettings, proxy_header: bytes = b"") -> None:
        """`proxy_header` is sent before each check, for backends that expect the PROXY protocol; empty for none."""
        self._http = HttpProbe(settings, proxy_header)
        self._tcp = TcpProbe(settings.timeout, proxy_header)
        self._tls = TlsProbe(settings.timeout, proxy_header)
        self._kind = settings.kind

    def use(self, settings: HealthSettings) -> None:
        """Apply new settings from the next probe on."""
        self._http.use(settings)
        self._tcp.timeout = self._tls.timeout = settings.timeout
        self._kind = settings.kind

    async def __call__(self, backend: Backend) -> Report:
        """Probe the backend once, within the probe time-out."""
        match self._kind:
            case "tcp":
                return await self._tcp(backend)
            case "tls":
                return await self._tls(backend)
            case _:
                return await self._http(backend)
