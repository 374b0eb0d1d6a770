"""The active check that the configuration asks for, which may change while the balancer runs."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from lb.core.backend import Backend
from lb.core.settings import HealthSettings
from lb.http_probe import HttpProbe
from lb.prober import Report
from lb.tcp_probe import TcpProbe


class Checks:
    """Probes backends over HTTP or by connecting; an async context manager that owns what either needs."""

    def __init__(self, settings: HealthSettings, greeting: bytes = b"") -> None:
        """`greeting` goes ahead of every check: the PROXY header, where backends want one."""
        self._http = HttpProbe(settings, greeting)
        self._tcp = TcpProbe(settings.timeout, greeting)
        self._kind = settings.kind

    def use(self, settings: HealthSettings) -> None:
        """Check by other settings from the next probe on."""
        self._http.use(settings)
        self._tcp.timeout = settings.timeout
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
        return await (self._tcp if self._kind == "tcp" else self._http)(backend)
