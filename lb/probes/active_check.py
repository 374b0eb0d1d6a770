"""The active check that the configuration asks for, which may change while the balancer runs."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from ..core.backend import Backend
from ..core.settings import HealthSettings
from .http_probe import HttpProbe
from .scheduler import Report
from .tcp_probe import TcpProbe, TlsProbe


class ActiveCheck:
    """Probes backends over HTTP, by connecting, or by a TLS handshake. An async context manager that owns what
    they need."""

    def __init__(self, settings: HealthSettings, proxy_header: bytes = b"") -> None:
        """`proxy_header` goes ahead of every check: the PROXY header, where backends want one."""
        self._http = HttpProbe(settings, proxy_header)
        self._tcp = TcpProbe(settings.timeout, proxy_header)
        self._tls = TlsProbe(settings.timeout, proxy_header)
        self._kind = settings.kind

    def use(self, settings: HealthSettings) -> None:
        """Check by other settings from the next probe on."""
        self._http.use(settings)
        self._tcp.timeout = self._tls.timeout = settings.timeout
        self._kind = settings.kind

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def __call__(self, backend: Backend) -> Report:
        """Probe once, within the probe time-out."""
        match self._kind:
            case "tcp":
                return await self._tcp(backend)
            case "tls":
                return await self._tls(backend)
            case _:
                return await self._http(backend)
