"""A connection as a balancer keeps it, and what a fault makes of it."""

from __future__ import annotations

import asyncio
import time
from typing import Self

from chaos.drivers.probe import Address

REQUEST = b"GET /health HTTP/1.1\r\nHost: api\r\n\r\n"
SILENCE_S = 0.5
"""No word for this long is silence: a healthy backend answers within milliseconds."""


class Pooled:
    """A connection that a balancer would keep."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def to(cls, address: Address) -> Self:
        """Open, and used once."""
        pooled = cls(*await asyncio.open_connection(*address))
        await pooled.round_trip()
        return pooled

    async def round_trip(self) -> float:
        """Seconds."""
        started = time.monotonic()
        self._writer.write(REQUEST)
        await self._reader.readuntil(b"{}")
        return time.monotonic() - started

    async def looks(self) -> str:
        """What became of it: ended while it was idle, else what the next request meets."""
        for used in (False, True):
            if used:
                self._writer.write(REQUEST)
            try:
                async with asyncio.timeout(SILENCE_S):
                    got = await self._reader.read(1 << 16)
            except TimeoutError:
                continue
            except ConnectionResetError:
                return "reset when used" if used else "reset"
            return "answers" if got else "ended"
        return "silence"

    async def late_answer(self, within_s: float) -> bool:
        """Whether what was asked in vain is answered after all."""
        try:
            async with asyncio.timeout(within_s):
                return bool(await self._reader.read(1 << 16))
        except (TimeoutError, ConnectionResetError):
            return False

    def close(self) -> None:
        self._writer.transport.abort()
