"""One active check by connecting: for backends that do not speak HTTP about themselves.

The kernel accepts for a process that is paused or hung, so this finds dead hosts and closed ports, and nothing else;
the bounds say so.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from lb.core.backend import Backend
from lb.errors import is_our_own
from lb.http_probe import word
from lb.prober import Report


class TcpProbe:
    """Probes backends; a context manager only because the other kind of probe is one."""

    def __init__(self, timeout: float, greeting: bytes = b"") -> None:
        """`timeout` is seconds; `greeting` is the PROXY header that a backend may want to see."""
        self.timeout = timeout
        self._greeting = greeting

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
                _, writer = await asyncio.open_connection(backend.host, backend.port)
        except TimeoutError:
            return Report("timeout")
        except OSError as error:
            return Report(word(error), inconclusive=is_our_own(error))
        writer.write(self._greeting)
        writer.close()
        return Report()
